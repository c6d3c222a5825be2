#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <set>

#include "sim/error.h"
#include "tools/moesim/html_output.h"
#include "tools/moesim/shipped.h"
#include "tools/moesim/sweep/study_arguments.h"
#include "tools/moesim/sweep/sweep_commands.h"
#include "tools/moesim/trace_cache.h"
#include "tools/report/page_kinds.h"
#include "tools/study/executor.h"
#include "tools/study/table.h"

namespace moesim::tools {
namespace {

constexpr std::size_t kRowsAtTheEnd = 20;

// "120 of 1000 points, 25 s left", at most once a second.
class Progress {
 public:
  explicit Progress(std::ostream& err) : err_(err) {}
  void operator()(std::uint64_t done, std::uint64_t all) {
    const auto now = std::chrono::steady_clock::now();
    if (!before_) before_ = done - 1;  // those of a resumed study took no time
    if (now - last_ < std::chrono::seconds(1)) return;
    last_ = now;
    const double each =
        std::chrono::duration<double>(now - begin_).count() / static_cast<double>(done - *before_);
    err_ << fmt::format("{} of {} points, {:.0f} s left\n", done, all,
                        each * static_cast<double>(all - done))
         << std::flush;
  }

 private:
  std::ostream& err_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now(), last_ = begin_;
  std::optional<std::uint64_t> before_ = {};  // done at the beginning
};

// "2/5"
void read_shard(const Arguments& arguments, SweepOptions& options) {
  const auto text = arguments.find("shard");
  if (!text) return;
  const std::size_t slash = text->find('/');
  const auto part = [&](std::string_view digits) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc{} && end == digits.data() + digits.size() ? number
                                                                        : ~std::uint64_t{0};
  };
  if (slash != std::string::npos) {
    options.shard = part(std::string_view(*text).substr(0, slash));
    options.shards = part(std::string_view(*text).substr(slash + 1));
  }
  if (slash == std::string::npos || options.shards == 0 || options.shards > kMostStudyPoints ||
      options.shard >= options.shards) {
    throw sim::ConfigError(fmt::format(
        "--shard: expected I/N with I from 0 to N - 1, such as 0/4, not \"{}\"", *text));
  }
}

std::string counts_text(const SweepCounts& counts) {
  std::string text = fmt::format("{} done", counts.done);
  const auto add = [&](std::uint64_t n, std::string_view what) {
    if (n > 0) text += fmt::format(", {} {}", n, what);
  };
  add(counts.infeasible, counts.infeasible == 1 ? "does not fit" : "do not fit");
  add(counts.invalid, "invalid");
  add(counts.failed, "failed");
  add(counts.left_out, "left out by a condition");
  add(counts.taken_over, "taken over");
  return text;
}

sim::ExitCode run(const Arguments& arguments, Console console, const Crew& crew) {
  const StudySpec spec = study_of(arguments, "sweep");
  for (const std::string& note : spec.notes) console.err << fmt::format("moesim sweep: {}\n", note);
  SweepOptions options{
      .jobs = crew.play ? crew.size() : static_cast<unsigned>(arguments.integer("jobs", 1, 1024)),
      .shipped = shipped(),
      .traces = trace_cache(std::getenv),
      .version = MOESIM_VERSION,
      .stop = console.interrupted,
      .play = crew.play};
  read_shard(arguments, options);
  std::vector<Store> known;
  for (const std::string& file : arguments.all("extend")) known.push_back(Store::open(file));
  for (const Store& store : known) options.known.push_back(&store);
  Progress progress(console.err);
  options.progress = [&](std::uint64_t done, std::uint64_t all) { progress(done, all); };

  const std::uint64_t points = check_points(spec, options);
  const std::filesystem::path file = arguments.text("output");
  Store store = arguments.has("resume") ? Store::resume(file, spec, MOESIM_VERSION)
                                        : Store::create(file, spec, MOESIM_VERSION);
  if (!options.stop()) store.expect(points);
  const SweepCounts counts = sweep(spec, store, options);
  for (const std::string& measure : counts.unmeasured)
    console.err << fmt::format("moesim sweep: no report has \"{}\"\n", measure);
  if (const auto html = arguments.find("html")) {
    const sim::io::Json json = to_json(table_of(store, {}), store, false);
    write_page(*html, sweep_page(json), json);
  }
  if (arguments.json()) {
    console.out << sim::io::to_text({{"store", arguments.text("output")},
                                     {"done", counts.done},
                                     {"infeasible", counts.infeasible},
                                     {"invalid", counts.invalid},
                                     {"failed", counts.failed},
                                     {"left_out", counts.left_out},
                                     {"taken_over", counts.taken_over},
                                     {"stopped", counts.stopped}});
  } else {
    console.out << to_text(table_of(store, {.most = kRowsAtTheEnd})) << counts_text(counts) << "; "
                << arguments.text("output") << '\n';
  }
  if (!store.close()) {
    console.err << fmt::format(
        "moesim sweep: {0} is being read, so that its last points stay in {0}-wal: keep both "
        "together; --resume puts them into one\n",
        arguments.text("output"));
  }
  if (counts.stopped) {
    console.err << "moesim sweep: interrupted before all points were there; --resume goes on\n";
    return sim::ExitCode::Interrupted;
  }
  if (counts.done + counts.infeasible + counts.invalid == 0)
    console.err << "moesim sweep: no point of the study is in this shard\n";
  // A shard's points are a part of an answer: how the whole ends is told of what they are merged
  // to.
  if (options.shards > 1) return sim::ExitCode::Ok;
  if (counts.failed > 0 || !counts.unmeasured.empty()) return sim::ExitCode::Partial;
  if (counts.done > 0) return sim::ExitCode::Ok;
  return counts.infeasible > 0 ? sim::ExitCode::Infeasible : sim::ExitCode::Configuration;
}

}  // namespace

std::vector<Command> sweep_commands() {
  return {sweep_command(),       sweep_show_command(), sweep_export_command(),
          sweep_merge_command(), sweep_find_command(), sweep_sensitivity_command(),
          sweep_script_command()};
}

Command sweep_command() {
  return sweep_command(Crew{});
}

Command sweep_command(const Crew& crew) {
  std::vector<Option> options = study_options();
  if (!crew.play) {
    options.push_back({.name = "-j,--jobs",
                       .value = "N",
                       .help = "points at the same time; the results are the same",
                       .fallback = "1"});
  }
  const std::vector<Option> more = {
      {.name = "-o,--output",
       .value = "FILE",
       .help = "the store",
       .fallback = "sweep.db",
       .is_file = true,
       .is_output = true},
      {.name = "--resume", .help = "go on with a store that is there"},
      {.name = "--extend",
       .value = "FILE",
       .help = "take over the points that another store has",
       .repeated = true,
       .is_file = true},
      {.name = "--shard",
       .value = "I/N",
       .help = "only every N-th point, from the I-th on (from 0); see sweep merge"},
      html_option(),
      format_option()};
  options.insert(options.end(), more.begin(), more.end());
  return {
      .name = "sweep",
      .summary = "runs a scenario at many points and keeps the results in one file",
      .description =
          "FILE is a study (docs/guide/what_if.md) or a scenario that the options vary. Every "
          "point ends as done, infeasible, invalid or failed, the last three with their reason. "
          "The store is SQLite: select * from result. Exit code 5 where points failed or a "
          "measure is in no report, 130 where it was interrupted; --resume goes on. A shard ends "
          "with 0 once each of its points has ended.",
      .options = std::move(options),
      .examples = {"moesim sweep mixtral-8x7b-decode-h100 --vary step.batch_per_rank=1..256*2 "
                   "--set network=bound -j 2",
                   "moesim sweep study.yaml -o study.db --resume",
                   "sqlite3 sweep.db 'select * from result'"},
      .run = [crew](const Arguments& arguments,
                    Console console) { return run(arguments, console, crew); },
      .ends_itself = true};
}

}  // namespace moesim::tools
