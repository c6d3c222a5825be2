#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "hardware/choose_fitted.h"
#include "sim/error.h"
#include "sim/io/atomic_file.h"
#include "sim/units_text.h"
#include "tools/moesim/calibrate/calibration.h"
#include "tools/moesim/calibrate/cost_commands.h"
#include "tools/moesim/config_folder.h"
#include "validation/calibrate/device_file.h"
#include "validation/calibrate/fit_task.h"
#include "validation/calibrate/fitted_file.h"
#include "validation/calibrate/hold_out.h"
#include "validation/calibrate/import_points.h"
#include "validation/calibrate/power_fit.h"
#include "validation/compare/table_report.h"
#include "validation/cuda/protocol/points.h"
#include "validation/tables/tables.h"

namespace moesim::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLeastWithPrior = 6;  // where the base has a fit of its own to start from

// Which kinds the points are of, and by whom.
const std::vector<std::pair<std::string, std::vector<std::string>>> kKinds{
    {"points", {"moesim_mma", "moesim_wgmma", "moesim_fp8"}},
    {"points_gemm", {"cublaslt", "moesim_fp8"}},
    {"points_attention", {"moesim"}},
    {"points_prefill", {"moesim"}},
    {"points_router", {"moesim"}},
    {"points_permute", {"moesim"}},
    {"points_unpermute", {"moesim"}},
    {"points_nccl", {"nccl"}}};

// Points of roles as a table; empty where none is left.
std::optional<sim::io::CsvTable> table_of(const sim::io::CsvTable& points,
                                          std::vector<std::string> roles, const fs::path& file,
                                          std::vector<std::string>& left_out) {
  try {
    const auto imported = validation::import_points(points, {.roles = std::move(roles)});
    left_out.insert(left_out.end(), imported.left_out.begin(), imported.left_out.end());
    sim::io::write_file(file, imported.csv);
    return sim::io::CsvTable::parse(imported.csv, file.filename().string());
  } catch (const sim::InputError&) {
    return {};
  }
}

std::int64_t measured_rows(const validation::Task& task) {
  return std::ranges::count_if(
      task.items(), [](const validation::Item& i) { return i.measured_us > 0 && !i.anomalous; });
}

void fit_one(Calibration& c, const std::string& table_kind, const validation::Task& task,
             std::vector<hardware::FittedModel>& models) {
  validation::FitOptions options;
  options.evaluations = 2000;
  options.source = "points.csv of " + c.points.device;
  const std::int64_t points = measured_rows(task);
  const auto* prior =
      hardware::choose_fitted(c.base, task.kind(), task.implementation(), task.variant()).model;
  if (points < task.least_points() || validation::has_few_sizes(task)) options.prior = prior;
  if (points < (options.prior != nullptr ? kLeastWithPrior : task.least_points())) {
    c.not_fitted.push_back(fmt::format("{} {} {}: {} points are too few", task.kind(),
                                       task.implementation(), task.variant(), points));
    return;
  }
  models.push_back(validation::fit_task(task, options).model);
  c.fits.push_back(
      {table_kind, task.kind(), task.implementation(), task.variant(), points, {}, {}});
}

std::vector<hardware::FittedModel> fit_all(Calibration& c, const sim::io::CsvTable& table) {
  std::vector<hardware::FittedModel> models;
  for (const auto& [kind, implementations] : kKinds) {
    for (const std::string& impl : implementations) {
      for (const auto& task : validation::read_tasks(kind, table, c.base, impl)) {
        fit_one(c, kind, *task, models);
      }
    }
  }
  return models;
}

validation::ErrorSummary judge(const std::optional<sim::io::CsvTable>& table,
                               const hardware::Device& device, const JudgedFit& fit) {
  if (!table) return {};
  try {
    const auto report = validation::report_on(fit.table_kind, {*table}, device, fit.implementation);
    return report.parts.empty() ? validation::ErrorSummary{} : report.parts.front().good;
  } catch (const sim::InputError&) {
    return {};  // no row of this implementation
  }
}

void fit_power_of(Calibration& c, const sim::io::CsvTable& points) {
  validation::PowerLoads loads = validation::power_loads(points, c.base);
  if (loads.loads.empty() && loads.left_out.empty()) return;  // not asked for
  c.left_out.insert(c.left_out.end(), loads.left_out.begin(), loads.left_out.end());
  if (!c.base.power) {
    c.not_fitted.push_back(fmt::format("power: {} says no limit", c.base.name));
    return;
  }
  c.power = validation::fit_power(loads.loads, *c.base.power);
  if (!c.power) c.not_fitted.emplace_back("power: fewer than three kinds of load");
}

double metadata_number(const validation::cuda::Metadata& metadata, const std::string& key) {
  for (const auto& [name, value] : metadata) {
    if (name == key) return std::strtod(value.c_str(), nullptr);
  }
  return 0;
}

// Against the device that ships, what its file says otherwise.
std::vector<Change> changes(const hardware::Device& before, const hardware::Device& now) {
  std::vector<Change> list;
  const auto add = [&](const char* what, std::string old_value, std::string new_value) {
    if (old_value != new_value) list.push_back({what, std::move(old_value), std::move(new_value)});
  };
  add("multiprocessors", std::to_string(before.multiprocessors),
      std::to_string(now.multiprocessors));
  add("memory", sim::to_text(before.memory), sim::to_text(now.memory));
  add("L2", sim::to_text(before.l2), sim::to_text(now.l2));
  add("launch in a graph", sim::to_text(before.launch_latency), sim::to_text(now.launch_latency));
  add("context", sim::to_text(before.context), sim::to_text(now.context));
  return list;
}

}  // namespace

void make_own_folders() {
  const fs::path own = own_config_folder();
  if (own.empty()) {
    throw sim::ConfigError("the device has no place to go to: set HOME or MOESIM_CONFIGS");
  }
  for (const char* kind : {"devices", "clusters"}) {
    std::error_code error;
    fs::create_directories(own / kind, error);
    if (error || ::access((own / kind).c_str(), W_OK) != 0) {
      throw sim::ConfigError(fmt::format(
          "the device cannot go to {}: {}: MOESIM_CONFIGS names another place",
          (own / kind).string(), error ? error.message() : std::string(std::strerror(errno))));
    }
  }
}

void make_device(Calibration& c) {
  const fs::path& folder = c.request.folder;
  const std::string text = sim::io::read_text(folder / "points.csv");
  const sim::io::CsvTable points = sim::io::CsvTable::parse(text, "points.csv");
  const auto fit_table = table_of(points, {"fit"}, folder / "fit.csv", c.left_out);
  const auto unseen = table_of(points, {"holdout"}, folder / "unseen.csv", c.left_out);
  const auto held = table_of(points, {"holdout_model"}, folder / "model.csv", c.left_out);
  std::vector<hardware::FittedModel> models;
  if (fit_table) models = fit_all(c, *fit_table);
  if (models.empty()) {
    throw sim::InputError(
        fmt::format("{}: no kernel has points enough to fit on ({} left out; "
                    "points.csv says why)",
                    (folder / "points.csv").string(), c.left_out.size()));
  }

  fit_power_of(c, points);
  const auto metadata = validation::cuda::parse_metadata(text);
  const std::string fitted = c.request.name + ".fitted.yaml";
  const std::string device = validation::device_yaml(
      {.name = c.request.name,
       .base = fs::absolute(find_device_file(c.base_name)),
       .multiprocessors = static_cast<std::int64_t>(metadata_number(metadata, "multiprocessors")),
       .memory_bytes = metadata_number(metadata, "memory_bytes"),
       .l2_bytes = metadata_number(metadata, "l2_bytes"),
       .power = c.power},
      c.base, c.points, fitted);
  const fs::path own = own_config_folder();
  c.device_file = own / "devices" / (c.request.name + ".yaml");
  sim::io::write_file(
      own / "devices" / fitted,
      validation::fitted_to_yaml(models, fmt::format("Fitted parameters of {}, from {}.",
                                                     c.request.name, c.points.device)));
  sim::io::write_file(c.device_file, device);
  for (const int gpus : {1, 2, 4, 8}) {
    c.clusters.push_back(fmt::format("{}-1x{}", c.request.name, gpus));
    sim::io::write_file(own / "clusters" / (c.clusters.back() + ".yaml"),
                        validation::cluster_yaml(c.request.name, c.base, gpus));
  }
  const hardware::Device now = hardware::load_device(c.device_file);
  for (JudgedFit& fit : c.fits) {
    // NCCL's points have no hold-outs: what its fit misses by is said by its own, in the device.
    if (fit.kind == "nccl") continue;
    fit.unseen = judge(unseen, now, fit);
    fit.model = judge(held, now, fit);
  }
  c.changes = changes(c.base, now);
}

}  // namespace moesim::tools
