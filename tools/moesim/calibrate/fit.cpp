#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <sstream>

#include "hardware/choose_fitted.h"
#include "hardware/collectives/check_fit.h"
#include "sim/error.h"
#include "sim/io/atomic_file.h"
#include "sim/io/csv.h"
#include "sim/io/json.h"
#include "tools/moesim/calibrate/cost_commands.h"
#include "validation/calibrate/fit_task.h"
#include "validation/calibrate/fitted_file.h"
#include "validation/compare/table_report.h"
#include "validation/tables/detect_kind.h"
#include "validation/tables/slow_tasks.h"
#include "validation/tables/tables.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using validation::FitResult;
using validation::Task;

constexpr std::int64_t kLeastPoints = 24;  // with a prior; a formula has up to 17 parameters
constexpr std::size_t kShownOutliers = 10;

struct Source {
  std::string implementation;  // empty: not said
  std::vector<std::string> files;

  std::string names() const {
    std::string list;
    for (const std::string& file : files)
      list += (list.empty() ? "" : "+") + std::filesystem::path(file).filename().string();
    return list;
  }
};

// "trtllm=gemm.csv", "gemm.csv", or "flash_attention_3=a.csv+b.csv".
Source parse_source(const std::string& text) {
  Source source;
  const std::size_t equals = text.find('=');
  const bool named = equals != std::string::npos && text.find('/') > equals;
  if (named) source.implementation = text.substr(0, equals);
  std::size_t begin = named ? equals + 1 : 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find('+', begin), text.size());
    source.files.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return source;
}

// Files of the same columns as one table, whose lines go on from file to file.
sim::io::CsvTable read_joined(const std::vector<std::string>& files) {
  sim::io::CsvTable first = sim::io::CsvTable::read(files.front());
  if (files.size() == 1) return first;
  sim::io::CsvWriter joined(first.columns());
  std::string name;
  for (const std::string& file : files) {
    const sim::io::CsvTable table = sim::io::CsvTable::read(file);
    name += (name.empty() ? "" : "+") + table.name();
    if (table.columns() != first.columns())
      throw sim::InputError(fmt::format("{} and {} have other columns: they are no one table",
                                        first.name(), table.name()));
    for (std::size_t row = 0; row < table.rows(); ++row) {
      for (std::size_t c = 0; c < table.columns().size(); ++c) joined.add(table.text(row, c));
      joined.end_row();
    }
  }
  return sim::io::CsvTable::parse(joined.text(), name);
}

// A table to fit on, and what it asks of which models.
struct Job {
  Source source;
  sim::io::CsvTable table;
  std::string kind, implementation;
  bool said = false;  // whose kernels, by the command or the table's name
  validation::Tasks tasks;
};

struct Fitted {
  FitResult result;
  std::string title;
  std::vector<std::string> outliers;
};

// Fits that others have: what a search starts from, and what an interval is taken over from.
struct Siblings {
  const hardware::Device* prior = nullptr;
  std::string generation;    // of the device that is fitted
  hardware::Device nearest;  // with the fits of this run, and those that the device takes over

  std::optional<hardware::FittedModel> prior_of(const Task& task) const {
    if (!prior) return {};
    const hardware::Chosen chosen =
        hardware::choose_fitted(*prior, task.kind(), task.implementation(), task.variant());
    if (!chosen.model) return {};
    hardware::FittedModel model = *chosen.model;
    model.other_generation |= prior->generation != generation;
    return model;
  }
  const hardware::FittedModel* nearest_to(const Task& task) const {
    return hardware::choose_fitted(nearest, task.kind(), task.implementation(), task.variant())
        .model;
  }
};

std::string title_of(const Task& task) {
  return fmt::format("{} {} {}", task.kind(), task.implementation(), task.variant());
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
  for (std::size_t i = 0; i < task.items().size(); ++i) {
    measured += task.usable(i) ? 1 : 0;
    screened += task.items()[i].screened ? 1 : 0;
  }
  if (screened > 0)
    err << fmt::format(
        "{}: {}: {} of {} rows are left out: of tasks slower by {} times or more than others that "
        "ask for no less\n",
        table.name(), title_of(task), screened, task.items().size(), validation::kSlowTask);
  const std::optional<hardware::FittedModel> prior = siblings.prior_of(task);
  if (prior) options.prior = &*prior;
  options.nearest = siblings.nearest_to(task);
  if (measured == 0 || (measured < kLeastPoints && !options.prior)) {
    err << fmt::format(
        "{}: {} is left out: {} measured rows; a fit takes {}, or one and a --prior\n",
        table.name(), title_of(task), measured, kLeastPoints);
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

void print(std::ostream& out, const Fitted& f) {
  const FitResult& r = f.result;
  out << fmt::format("{:36} {:6} points  fit {:5.2f} / {:5.1f}  {}  outliers {}\n", f.title,
                     r.model.points, r.in_sample.median, r.in_sample.p90, hold_out_text(r.hold_out),
                     r.outliers.size());
  for (const std::string& line : f.outliers) out << "    " << line << '\n';
}

Json to_json(const Fitted& f) {
  const FitResult& r = f.result;
  return {{"kind", r.model.kind},
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
}

std::string command_line(const Arguments& arguments) {
  std::string line = fmt::format("moesim calibrate fit --device {}",
                                 std::filesystem::path(arguments.text("device")).stem().string());
  if (const auto impl = arguments.find("impl")) line += " --impl " + *impl;
  if (const auto prior = arguments.find("prior"))
    line += " --prior " + std::filesystem::path(*prior).stem().string();
  for (const std::string& text : arguments.all("TABLE")) {
    const Source source = parse_source(text);
    line += source.implementation.empty()
                ? fmt::format(" {}", source.names())
                : fmt::format(" {}={}", source.implementation, source.names());
  }
  if (arguments.has("source")) line += fmt::format(" --source \"{}\"", arguments.text("source"));
  if (arguments.has("replace")) line += " --replace";
  if (const auto file = arguments.find("output"))
    line += " -o " + std::filesystem::path(*file).filename().string();
  if (const auto file = arguments.find("network"))
    line += " --network " + std::filesystem::path(*file).filename().string();
  return line;
}

bool of_network(const hardware::FittedModel& model) {
  return hardware::is_collective_kind(model.kind);
}

// What the fits say of the links, for people: the same numbers are in the models below it.
std::string link_constants(const std::vector<hardware::FittedModel>& models,
                           const hardware::Device& device) {
  constexpr double kRanks = 8;
  std::string text;
  for (const hardware::FittedModel& m : models) {
    const auto of = [&](const char* name) { return m.parameters.at(name); };
    const std::string from =
        fmt::format("{} {}, {} points, hold-out {:.1f} / {:.1f} %", m.kind, m.variant, m.points,
                    m.median_error_percent, m.p90_error_percent);
    if (m.kind == "nccl" && m.variant == "all_gather")
      text += fmt::format(
          "\nscale-up: {:.0f} GB/s of {:.0f} at 8 ranks, {:.1f} us for the smallest message ({})",
          device.scale_up.bytes_per_second() * 1e-9 * of("wide_efficiency") *
              (1 - of("wide_loss") / kRanks),
          device.scale_up.bytes_per_second() * 1e-9,
          of("quick_us") + of("quick_step_us") * (kRanks - 1), from);
    if (m.kind == "deepep_ll" && m.variant == "dispatch_internode")
      text += fmt::format(
          "\nscale-out: {:.1f} GB/s of {:.1f} a NIC, {:.1f} us more for each doubling of nodes "
          "({})",
          device.scale_out.bytes_per_second() * 1e-9 * of("far_efficiency"),
          device.scale_out.bytes_per_second() * 1e-9, of("per_log2_nodes_us"), from);
  }
  return text;
}

// The commands at the top of a fitted file: all that made what it has, in their order.
std::string commands_of(const std::string& file) {
  constexpr std::string_view kStart = "# moesim calibrate fit ";
  std::istringstream text(sim::io::read_text(file));
  std::string commands;
  for (std::string line; std::getline(text, line) && line.starts_with('#');)
    if (line.starts_with(kStart)) commands += line.substr(2) + '\n';
  return commands;
}

// `what` becomes the first line, and `command` goes below those that the file has.
void write_models(const std::string& file, const std::vector<hardware::FittedModel>& fresh,
                  bool replace, const std::string& what, const std::string& command) {
  std::vector<hardware::FittedModel> models;
  std::string header = what + '\n';
  if (std::filesystem::exists(file) && !replace) {
    models = hardware::load_fitted(file);
    header += commands_of(file);
  }
  header += command;
  sim::io::write_file(
      file, validation::fitted_to_yaml(validation::merged(std::move(models), fresh), header));
}

Job read_job(const Arguments& arguments, const std::string& text, const hardware::Device& device,
             std::ostream& err) {
  Job job{.source = parse_source(text), .table = {}, .kind = {}, .implementation = {}, .tasks = {}};
  job.table = read_joined(job.source.files);
  job.kind = arguments.find("kind").value_or(validation::detect_kind(job.table));
  job.implementation = job.source.implementation.empty() ? arguments.find("impl").value_or("")
                                                         : job.source.implementation;
  if (job.implementation.empty()) {
    job.implementation = validation::named_implementation(job.kind, job.source.names());
    if (!job.implementation.empty())
      err << fmt::format(
          "{}: taken for kernels of {}, by its name; IMPL=FILE or --impl says else\n",
          job.table.name(), job.implementation);
  }
  job.said = !job.implementation.empty();
  job.tasks = validation::read_tasks(job.kind, job.table, device, job.implementation);
  return job;
}

// That no fit takes another's place in silence: no two tables of this run are of the same kernels,
// and where nobody said whose a table is, the file has no fit of them from another table.
void check_places(const std::vector<Job>& jobs, const std::vector<hardware::FittedModel>& there) {
  std::map<std::string, const Job*> taken;
  for (const Job& job : jobs) {
    for (const auto& task : job.tasks) {
      const std::string title = title_of(*task);
      const auto [at, fresh] = taken.try_emplace(title, &job);
      if (!fresh && at->second != &job)
        throw sim::InputError(fmt::format(
            "{} and {} are both of {}: IMPL=FILE says whose one of them is, FILE+FILE fits them "
            "as one table",
            at->second->table.name(), job.table.name(), title));
      if (job.said) continue;
      for (const hardware::FittedModel& m : there)
        if (m.kind == task->kind() && m.implementation == task->implementation() &&
            m.variant == task->variant() && !m.provenance.source.starts_with(job.source.names()))
          throw sim::InputError(fmt::format(
              "{}: {} is there already, fitted on {}; whose kernels are these? IMPL=FILE or --impl "
              "says, --impl {} replaces it",
              job.table.name(), title, m.provenance.source, task->implementation()));
    }
  }
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const hardware::Device device = find_device(arguments.text("device"));
  std::optional<hardware::Device> prior;
  if (const auto name = arguments.find("prior")) prior = find_device(*name);
  validation::FitOptions options;
  options.evaluations = static_cast<int>(arguments.integer("evaluations", 100, 1'000'000));
  std::vector<hardware::FittedModel> fresh;
  Json list = Json::array();
  Siblings siblings{
      .prior = prior ? &*prior : nullptr, .generation = device.generation, .nearest = device};
  std::erase_if(siblings.nearest.fitted,
                [](const hardware::FittedModel& m) { return m.carried_from.empty(); });
  std::vector<Job> jobs;
  for (const std::string& text : arguments.all("TABLE"))
    jobs.push_back(read_job(arguments, text, device, console.err));
  for (const char* output : {"output", "network"}) {
    const auto file = arguments.find(output);
    const bool kept = file && !arguments.has("replace") && std::filesystem::exists(*file);
    check_places(jobs, kept ? hardware::load_fitted(*file) : std::vector<hardware::FittedModel>{});
  }
  for (const Job& job : jobs) {
    const sim::io::CsvTable& table = job.table;
    // Times of another unit, or of rows that cannot be, before anything is fitted to them.
    std::vector<std::string> notes;
    validation::check_units(
        table,
        validation::predict_table(job.kind, table, prior ? *prior : device, job.implementation),
        notes);
    for (const std::string& note : notes) console.err << note << '\n';
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
                 command_line(arguments));
  if (const auto file = arguments.find("network")) {
    std::erase_if(fresh, [](const hardware::FittedModel& m) { return !of_network(m); });
    if (fresh.empty())
      throw sim::InputError("--network: none of the tables is of NCCL, an all-reduce or DeepEP");
    write_models(*file, fresh, replace,
                 fmt::format("Fitted collectives of a cluster of {}; its file names this one under "
                             "collectives:",
                             device.name),
                 command_line(arguments) + link_constants(fresh, device));
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
            .is_file = true},
           {.name = "--network",
            .value = "FILE",
            .help = "a file for the collectives alone, which a cluster names under collectives:",
            .is_file = true},
           format_option()},
      .examples = {"moesim calibrate fit --device h100 trtllm=gemm.csv.gz -o h100.fitted.yaml",
                   "moesim calibrate fit --device mine.yaml --prior h100 measured.csv -o "
                   "mine.fitted.yaml"},
      .run = run};
}

}  // namespace moesim::tools
