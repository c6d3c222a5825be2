#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>

#include "hardware/carry_over.h"
#include "hardware/choose_fitted.h"
#include "hardware/collectives/check_fit.h"
#include "hardware/collectives/models.h"
#include "sim/error.h"
#include "sim/io/csv.h"
#include "sim/io/file_kind.h"
#include "sim/io/json.h"
#include "sim/io/yaml_reader.h"
#include "tools/moesim/calibrate/cost_commands.h"
#include "tools/moesim/calibrate/fit_file.h"
#include "tools/moesim/calibrate/fit_jobs.h"
#include "validation/calibrate/fit_task.h"
#include "validation/calibrate/hold_out.h"
#include "validation/compare/table_report.h"
#include "validation/tables/slow_tasks.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using validation::FitResult;
using validation::Task;

constexpr std::size_t kShownOutliers = 10;

struct Fitted {
  FitResult result;
  std::string title;
  std::vector<std::string> outliers;
};

// Fits that others have: what a search starts from, and what an interval is taken over from.
struct Siblings {
  const hardware::Device* prior = nullptr;
  // The device that is fitted, with the fits of this run, and those that it takes over.
  hardware::Device nearest;
  // The device that it takes over from, all of whose fits may be a prior.
  std::optional<hardware::Device> family;

  // Of one or two group sizes none tells how a time grows with the group: the fit of the family's
  // device does, of whichever generation, or the figures that are taken where there is no fit.
  std::optional<hardware::FittedModel> of_family(const Task& task) const {
    const auto* fit =
        family ? hardware::find_fitted(*family, task.kind(), task.implementation(), task.variant())
               : nullptr;
    if (fit) return moved(*fit, *family);
    auto figures =
        hardware::default_fit(nearest, task.kind(), task.implementation(), task.variant());
    if (figures) figures->other_generation = true;  // they have seen nothing
    return figures;
  }
  std::optional<hardware::FittedModel> prior_of(const Task& task) const {
    if (!prior) return validation::has_few_sizes(task) ? of_family(task) : std::nullopt;
    const hardware::Chosen chosen =
        hardware::choose_fitted(*prior, task.kind(), task.implementation(), task.variant());
    if (!chosen.model) return {};
    return moved(*chosen.model, *prior);
  }
  hardware::FittedModel moved(hardware::FittedModel model, const hardware::Device& from) const {
    if (model.carried_from.empty()) model.carried_from = from.name;
    model.other_generation |= from.generation != nearest.generation;
    return hardware::carried_over(std::move(model), from, nearest);
  }
  const hardware::FittedModel* nearest_to(const Task& task) const {
    return hardware::choose_fitted(nearest, task.kind(), task.implementation(), task.variant())
        .model;
  }
};

// The device file under `family:` of the device's own.
std::optional<hardware::Device> family_of(const hardware::Device& device) {
  const auto document = sim::io::YamlDocument::load(device.files.front());
  const auto family = document.root().find("family");
  if (!family) return {};
  return hardware::load_device(document.folder() / (family->text() + ".yaml"));
}

// Nothing where the rows are too few, and a line that says so.
std::optional<Fitted> fit(const Task& task, const sim::io::CsvTable& table,
                          validation::FitOptions options, const Siblings& siblings,
                          std::ostream& err) {
  if (task.composed()) {
    err << fmt::format("{}: {} is left out: it is composed of what other tables fit\n",
                       table.name(), task.kind());
    return {};
  }
  std::int64_t measured = 0, screened = 0;
  std::map<std::string, std::size_t> guesses;
  for (std::size_t i = 0; i < task.items().size(); ++i) {
    if (const std::string& guess = task.items()[i].guess; !guess.empty()) ++guesses[guess];
    measured += task.usable(i) ? 1 : 0;
    screened += task.items()[i].screened ? 1 : 0;
  }
  for (const auto& [guess, n] : guesses)
    err << fmt::format("{}: {}: {} of {} rows are left out: {} is a guess\n", table.name(),
                       title_of(task), n, task.items().size(), guess);
  if (screened > 0)
    err << fmt::format(
        "{}: {}: {} of {} rows are left out: of tasks slower by {} times or more than others that "
        "ask for no less\n",
        table.name(), title_of(task), screened, task.items().size(), validation::kSlowTask);
  const std::optional<hardware::FittedModel> prior = siblings.prior_of(task);
  if (prior) options.prior = &*prior;
  if (prior && !siblings.prior)
    err << fmt::format("{}: {}: of one or two sizes; {} say how it grows with others\n",
                       table.name(), title_of(task),
                       prior->provenance.origin == hardware::Origin::Extrapolated
                           ? "figures that are no fit's (" + prior->provenance.source + ")"
                           : "the parameters of " + prior->carried_from);
  options.nearest = siblings.nearest_to(task);
  if (measured == 0 || (measured < task.least_points() && !(siblings.prior && prior))) {
    err << fmt::format(
        "{}: {} is left out: {} measured rows; a fit takes {}, or one and a --prior\n",
        table.name(), title_of(task), measured, task.least_points());
    return {};
  }
  // A residual table knows the node counts that it has seen, and nothing of others.
  if (task.variant().ends_with("_internode")) options.residual = false;
  Fitted fitted;
  fitted.title = title_of(task);
  fitted.result = validation::fit_task(task, options);
  for (const validation::Outlier& o : fitted.result.outliers) {
    if (fitted.outliers.size() == kShownOutliers) break;
    fitted.outliers.push_back(fmt::format("{}: measured {:.4g} us, predicted {:.4g} us",
                                          table.where(task.items()[o.item].row), o.measured_us,
                                          o.predicted_us));
  }
  return fitted;
}

std::string hold_out_text(const validation::ErrorSummary& held) {
  if (held.n == 0) return "hold-out none: too few groups";
  return fmt::format("hold-out {:5.2f} / {:5.1f}  bias {:+5.2f}", held.median, held.p90, held.bias);
}

std::string unseen_text(const validation::ErrorSummary& unseen) {
  if (unseen.n == 0) return "";
  return fmt::format("  sizes held out {:5.2f} / {:5.1f}", unseen.median, unseen.p90);
}

void print(std::ostream& out, const Fitted& f) {
  const FitResult& r = f.result;
  out << fmt::format("{:36} {:6} points  fit {:5.2f} / {:5.1f}  {}{}  outliers {}\n", f.title,
                     r.model.points, r.in_sample.median, r.in_sample.p90, hold_out_text(r.hold_out),
                     unseen_text(r.unseen), r.outliers.size());
  for (const std::string& line : f.outliers) out << "    " << line << '\n';
}

Json to_json(const Fitted& f) {
  const FitResult& r = f.result;
  Json json{{"kind", r.model.kind},
            {"implementation", r.model.implementation},
            {"variant", r.model.variant},
            {"points", r.model.points},
            {"fit", {{"median", r.in_sample.median}, {"p90", r.in_sample.p90}}},
            {"hold_out",
             {{"n", r.hold_out.n},
              {"median", r.hold_out.median},
              {"p90", r.hold_out.p90},
              {"bias", r.hold_out.bias}}},
            {"outliers", r.outliers.size()},
            {"farthest_outliers", f.outliers}};
  if (r.unseen.n > 0)
    json["sizes_held_out"] = {
        {"n", r.unseen.n}, {"median", r.unseen.median}, {"p90", r.unseen.p90}};
  return json;
}

bool of_network(const hardware::FittedModel& model) {
  return hardware::is_collective_kind(model.kind);
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const hardware::Device device = find_device(arguments.text("device"));
  std::optional<hardware::Device> prior;
  if (const auto name = arguments.find("prior")) prior = find_device(*name, "--prior");
  validation::FitOptions options;
  options.evaluations = static_cast<int>(arguments.integer("evaluations", 100, 1'000'000));
  std::vector<hardware::FittedModel> fresh;
  Json list = Json::array();
  Siblings siblings{.prior = prior ? &*prior : nullptr, .nearest = device, .family = {}};
  std::erase_if(siblings.nearest.fitted,
                [](const hardware::FittedModel& m) { return m.carried_from.empty(); });
  siblings.family = family_of(device);
  std::vector<FitJob> jobs;
  for (const std::string& text : arguments.all("TABLE"))
    jobs.push_back(read_fit_job(arguments, text, device, console.err));
  for (const char* output : {"output", "network"}) {
    const auto file = arguments.find(output);
    const bool kept = file && !arguments.has("replace") && sim::io::is_there(*file);
    check_places(jobs, kept ? hardware::load_fitted(*file) : std::vector<hardware::FittedModel>{});
  }
  for (const FitJob& job : jobs) {
    const sim::io::CsvTable& table = job.table;
    // Times of another unit, or of rows that cannot be, before anything is fitted to them.
    std::vector<std::string> notes;
    validation::check_units(
        table,
        validation::predict_table(job.kind, table, prior ? *prior : device, job.implementation),
        notes);
    for (const std::string& note : notes) console.err << note << '\n';
    for (const validation::RowApart& row : job.tasks.apart)
      console.err << fmt::format("{}: left out: {}\n", table.where(row.row), row.why);
    options.source =
        fmt::format("{} on {}{}", job.source.names(), device.name,
                    arguments.has("source") ? ", " + arguments.text("source") : std::string());
    for (const auto& task : job.tasks) {
      const std::optional<Fitted> fitted = fit(*task, table, options, siblings, console.err);
      if (!fitted) continue;
      fresh.push_back(fitted->result.model);
      siblings.nearest.fitted.push_back(fitted->result.model);
      if (arguments.json())
        list.push_back(to_json(*fitted));
      else
        print(console.out, *fitted), console.out.flush();
    }
  }
  if (fresh.empty()) throw sim::InputError("no table has enough measured rows to fit on");
  if (arguments.json()) console.out << sim::io::to_text(Json{{"fits", list}});
  const bool replace = arguments.has("replace");
  if (const auto file = arguments.find("output"))
    write_models(*file, fresh, replace,
                 fmt::format("Fitted parameters of {}; hardware/README.md says what each means.",
                             device.name),
                 fit_command_line(arguments));
  if (const auto file = arguments.find("network")) {
    std::erase_if(fresh, [](const hardware::FittedModel& m) { return !of_network(m); });
    if (fresh.empty())
      throw sim::InputError("--network: none of the tables is of NCCL, an all-reduce or DeepEP");
    write_models(*file, fresh, replace,
                 fmt::format("Fitted collectives of a cluster of {}; its file names this one under "
                             "collectives:",
                             device.name),
                 fit_command_line(arguments) + link_constants(fresh, device));
  }
  return sim::ExitCode::Ok;
}

}  // namespace

Command calibrate_fit_command() {
  const auto kinds = validation::table_kinds();
  return {
      .name = "calibrate fit",
      .summary = "fits cost models to measured tables",
      .description =
          "Fits the parameters of the device's cost models to measured rows: a robust loss on the "
          "logarithm of the time, hold-outs of whole shapes, models or node counts, and 90 % "
          "intervals from what they miss by. The result goes into the file that a device names "
          "under fitted:, in place of models of the same kind, implementation and variant. Prints "
          "the median and 90th percentile of the absolute error, in percent, and the outliers.",
      .options =
          {{.name = "TABLE",
            .value = "",
            .help = "measured tables, IMPL=FILE or FILE, FILE+FILE for two of one kind of kernel; "
                    "the kind is seen from the columns, whose kernels from the file's name where "
                    "nothing says it",
            .required = true,
            .repeated = true,
            .is_file = true},
           device_option(),
           implementation_option(),
           {.name = "--kind",
            .value = "KIND",
            .help = "the tables' kind, where the columns do not say",
            .choices = {kinds.begin(), kinds.end()}},
           {.name = "--prior",
            .value = "DEVICE",
            .help = "a device whose fits the search starts from and stays near: for few "
                    "points",
            .is_file = true},
           {.name = "--source",
            .value = "TEXT",
            .help = "where the tables are from, for the provenance"},
           {.name = "--evaluations", .value = "N", .help = "of the loss", .fallback = "2000"},
           {.name = "--replace", .value = "", .help = "forget what the output file has"},
           {.name = "-o,--output",
            .value = "FILE",
            .help = "the fitted file, such as configs/devices/h100.fitted.yaml",
            .is_file = true,
            .is_output = true},
           {.name = "--network",
            .value = "FILE",
            .help = "a file for the collectives alone, which a cluster names under collectives:",
            .is_file = true,
            .is_output = true},
           format_option()},
      .examples = {"moesim calibrate fit --device h100 trtllm=gemm.csv.gz -o h100.fitted.yaml",
                   "moesim calibrate fit --device mine.yaml --prior h100 measured.csv -o "
                   "mine.fitted.yaml"},
      .run = run};
}

}  // namespace moesim::tools
