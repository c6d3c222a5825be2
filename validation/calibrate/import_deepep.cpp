// DeepEP's tests: of low latency, and of the normal kernels.
#include <algorithm>
#include <array>
#include <set>

#include "validation/calibrate/import.h"
#include "validation/calibrate/import_text.h"

namespace moesim::validation {
namespace {

// A part of a run's shape: as a log and as the command line call it, and what DeepEP's tests have.
struct ShapePart {
  const char* key;
  const char* option;
  int DeepEpRun::*field;
  int usual;
};

constexpr ShapePart kTokens{"num_tokens=", "--tokens", &DeepEpRun::tokens, 128};
constexpr std::array kShape{kTokens, ShapePart{"hidden=", "--hidden", &DeepEpRun::hidden, 7168},
                            ShapePart{"num_topk=", "--top-k", &DeepEpRun::top_k, 8},
                            ShapePart{"num_experts=", "--experts", &DeepEpRun::experts, 256}};

// What a rank of the low-latency test measured.
struct RankTimes {
  std::size_t line = 0;
  double dispatch = 0, combine = 0;
};

// One run of a test: what it says of itself, and its times.
struct Run {
  std::size_t line = 0;      // where it begins
  bool opened = false;       // by a line that every test begins with
  bool tuned = false;        // it is of the normal kernels
  bool over_rdma = false;    // it speaks of several nodes
  bool over_nvl = false;     // and of links within one
  DeepEpRun said = {};       // of its shape; 0: not said
  std::set<int> ranks = {};  // that spoke
  std::set<int> timed = {};  // whose times are there
  std::vector<RankTimes> times = {};
  std::vector<std::size_t> dispatches = {}, combines = {};  // lines of the best ones
  std::string failure = {};                                 // why all of it is not believed
  std::size_t failed_at = 0;
  bool failed_late = false;  // after all of its times

  bool measured() const { return tuned || !times.empty(); }
  bool whole() const {
    return tuned ? !dispatches.empty() && dispatches.size() == combines.size()
                 : !timed.empty() && timed.size() == ranks.size();
  }
  int rank_count() const { return ranks.empty() ? 0 : *ranks.rbegin() + 1; }
};

bool has(std::string_view line, std::string_view piece) {
  return line.find(piece) != std::string_view::npos;
}

// What a line says of the shape, 0 where it says nothing.
DeepEpRun shape_in(std::string_view line) {
  constexpr double kMost = 1e9;  // more is no shape
  DeepEpRun shape;
  for (const ShapePart& part : kShape) {
    if (const auto value = number_after(line, part.key); value && *value >= 1 && *value <= kMost)
      shape.*part.field = static_cast<int>(*value);
  }
  return shape;
}

bool contradict(const DeepEpRun& one, const DeepEpRun& other) {
  return std::ranges::any_of(kShape, [&](const ShapePart& part) {
    return one.*part.field > 0 && other.*part.field > 0 && one.*part.field != other.*part.field;
  });
}

// A log line by line. Several runs follow one another: each begins with the line of its shape or of
// its buffers, or where what a run prints once comes again.
class DeepEpLog {
 public:
  DeepEpLog(const std::vector<std::string_view>& lines, const std::string& name)
      : lines_(lines), name_(name) {}

  std::vector<Run> read() {
    for (line_ = 0; line_ < lines_.size(); ++line_) {
      const std::string_view line = lines_[line_];
      opening(line);
      failure(line);
      normal(line);
      low_latency(line);
      run().over_rdma = run().over_rdma || has(line, "(RDMA)");
      run().over_nvl = run().over_nvl || has(line, "(NVL)");
    }
    return std::move(runs_);
  }

 private:
  Run& run() { return runs_.back(); }

  void start() {
    runs_.emplace_back();
    run().line = line_;
  }

  void opening(std::string_view line) {
    const DeepEpRun shape = shape_in(line);
    if (shape.tokens > 0 || has(line, "Allocating buffer size")) {
      // The first rank of every node prints it: the same once more begins nothing.
      if (run().measured() ||
          (run().opened && (!run().failure.empty() || contradict(run().said, shape))))
        start();
      if (!run().opened) run().line = line_;
      run().opened = true;
    }
    for (const ShapePart& part : kShape) {
      if (shape.*part.field > 0) run().said.*part.field = shape.*part.field;
    }
  }

  // What a rank says as it ends before the others do, or waits for one in vain.
  void failure(std::string_view line) {
    for (const char* said : {"Traceback (most recent call last)", "RuntimeError:", "AssertionError",
                             "Assertion failed", "DeepEP timeout", "timeout check failed",
                             "CUDA error", "NCCL error"}) {
      const std::size_t at = line.find(said);
      if (at == std::string_view::npos || !run().failure.empty()) continue;
      run().failure = std::string(line.substr(at, 100));
      run().failed_at = line_;
      run().failed_late = run().whole();
    }
  }

  void normal(std::string_view line) {
    // The dispatch in FP8 is the one that tables have; one in BF16 is passed over.
    const bool out = has(line, "Best dispatch (FP8)"), back = has(line, "Best combine");
    if (!out && !back && !has(line, "[tuning]")) return;
    if (!run().times.empty() || (out && !run().combines.empty())) start();
    run().tuned = true;
    if (out) run().dispatches.push_back(line_);
    if (back) run().combines.push_back(line_);
  }

  void low_latency(std::string_view line) {
    const auto said = number_after(line, "[rank ");
    const std::optional<int> rank =
        said && *said >= 0 && *said < 1e6 ? std::optional(static_cast<int>(*said)) : std::nullopt;
    const std::size_t second = line.find("| Combine bandwidth:");
    const bool apart = has(line, "Dispatch bandwidth:") && second != std::string_view::npos;
    if ((apart || has(line, "Dispatch + combine bandwidth:")) &&
        (run().tuned || (rank && run().timed.contains(*rank))))
      start();
    if (rank) run().ranks.insert(*rank);
    if (!apart) return;
    const auto dispatch = number_after(line.substr(0, second), "avg_t=");
    const auto combine = number_after(line.substr(second), "avg_t=");
    if (!dispatch || !combine) return;
    if (!has(line, " us")) fail(name_, line_, "expected an avg_t in us");
    if (!(*dispatch > 0 && *combine > 0)) fail(name_, line_, "expected an avg_t above zero");
    if (rank) run().timed.insert(*rank);
    run().times.push_back({line_, *dispatch, *combine});
  }

  const std::vector<std::string_view>& lines_;
  const std::string& name_;
  std::vector<Run> runs_ = std::vector<Run>(1);
  std::size_t line_ = 0;
};

// Nodes that the log does not say and nobody gave: one, where nothing speaks of more.
int nodes_of(const Run& run, const std::string& name, int given) {
  constexpr int kUsual = 8;  // GPUs of a node
  const int ranks = run.rank_count();
  if (given > 0) {
    if (ranks > given && ranks % given != 0) {
      throw sim::ConfigError(
          fmt::format("{}: its {} ranks do not divide over --nodes {}: on how "
                      "many nodes was it?",
                      name, ranks, given));
    }
    if (given == 1 ? run.over_rdma : run.over_nvl && !run.over_rdma) {
      throw sim::ConfigError(fmt::format("{}: the log is of {}, not of --nodes {}", name,
                                         run.over_rdma ? "several nodes (RDMA)" : "one node (NVL)",
                                         given));
    }
    return given;
  }
  if (ranks > kUsual) {
    throw sim::ConfigError(
        fmt::format("{}: {} ranks are more than a node of {}: on how many nodes? --nodes N", name,
                    ranks, kUsual));
  }
  if (run.over_rdma) {
    throw sim::ConfigError(
        fmt::format("{}: the log is of several nodes (RDMA): how many? --nodes N", name));
  }
  return 1;
}

// What the run says of its shape, else what is given, else what DeepEP's tests have, which is told.
DeepEpRun shape_of(const Run& run, const std::string& name, const DeepEpRun& given,
                   ImportNotes notes) {
  DeepEpRun shape;
  std::string taken;
  for (const ShapePart& part : kShape) {
    const int said = run.said.*part.field, asked = given.*part.field;
    if (said > 0 && asked > 0 && said != asked) {
      note_once(notes, fmt::format("{}:{}: the log says {}{}: {} {} is not used", name,
                                   run.line + 1, part.key, said, part.option, asked));
    }
    shape.*part.field = said > 0 ? said : asked > 0 ? asked : part.usual;
    if (said > 0 || asked > 0) continue;
    if (run.tuned && part.field == kTokens.field) {
      throw sim::ConfigError(fmt::format(
          "{}: the log does not say its tokens a rank (\"[config] num_tokens=…\"): --tokens N",
          name));
    }
    taken += fmt::format("{}{} {}", taken.empty() ? "" : ", ", part.option, part.usual);
  }
  if (!taken.empty()) {
    note_once(notes, fmt::format("{}: the log does not say all of its shape: {}, as DeepEP's "
                                 "tests have it, is taken",
                                 name, taken));
  }
  shape.nodes = nodes_of(run, name, given.nodes);
  if (shape.top_k > shape.experts) {
    throw sim::ConfigError(
        fmt::format("{}: a top-k of {} is more than {} experts: --top-k N, "
                    "--experts N",
                    name, shape.top_k, shape.experts));
  }
  if (const int ranks = run.rank_count(); ranks > 0 && shape.experts % ranks != 0) {
    throw sim::ConfigError(fmt::format(
        "{}: {} experts do not divide over its {} ranks: --experts N", name, shape.experts, ranks));
  }
  return shape;
}

// Of an even number the smaller: of two ranks the slow one is the odd one.
double lower_median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

// The mean over ranks, without those that are stalled.
std::string low_latency_row(const Run& run, const std::string& name, const DeepEpRun& shape,
                            ImportNotes notes) {
  std::vector<double> dispatches, combines;
  for (const RankTimes& rank : run.times) {
    dispatches.push_back(rank.dispatch);
    combines.push_back(rank.combine);
  }
  const double usual_dispatch = lower_median(dispatches), usual_combine = lower_median(combines);
  double dispatch = 0, combine = 0;
  int ranks = 0;
  for (const RankTimes& rank : run.times) {
    if (rank.dispatch > 2 * usual_dispatch || rank.combine > 2 * usual_combine) {
      note(notes, name, rank.line,
           fmt::format("left out: the rank is stalled, {} and {} us where {} and {} are usual",
                       rank.dispatch, rank.combine, usual_dispatch, usual_combine));
      continue;
    }
    dispatch += rank.dispatch, combine += rank.combine, ++ranks;
  }
  if (run.timed.size() < run.ranks.size()) {
    note(notes, name, run.line,
         fmt::format("{} of the run's {} ranks say their times: the mean is theirs",
                     run.timed.size(), run.ranks.size()));
  }
  return fmt::format("{},{},{},{},{},{:.6g},{:.6g}\n", shape.nodes, shape.hidden, shape.tokens,
                     shape.top_k, shape.experts, dispatch / ranks, combine / ranks);
}

struct Best {
  double sms = 0, transmit = 0, notify = 0;
};

// A line "[tuning] Best dispatch (FP8): SMs 24, …, transmit: 430.1 us, notify: 55.2 us, …"; within
// a node "t: 430.1 us" or "avg_t: …".
Best best_in(std::string_view line, std::size_t at, const std::string& name) {
  const auto sms = number_after(line, "SMs ");
  auto transmit = number_after(line, "transmit: ");
  if (!transmit) transmit = number_after(line, " avg_t: ");
  if (!transmit) transmit = number_after(line, " t: ");
  if (sms && !transmit && has(line, "GB/s"))
    fail(name, at,
         "this version of DeepEP prints bandwidths and no times, which a table needs: measure "
         "with one that prints \"transmit: … us\"");
  if (!sms || !transmit || !(*sms > 0 && *transmit > 0))
    fail(name, at, "expected SMs and a time (transmit: … us) above zero");
  return {*sms, *transmit, number_after(line, "notify: ").value_or(0)};
}

// Every node's first rank prints its own: an exchange is as slow as the slowest.
Best slowest(const std::vector<std::string_view>& lines, const std::vector<std::size_t>& at,
             const std::string& name, ImportNotes notes) {
  Best slow;
  for (const std::size_t line : at) {
    const Best best = best_in(lines[line], line, name);
    if (best.transmit + best.notify > slow.transmit + slow.notify) slow = best;
  }
  if (at.size() > 1) {
    note(notes, name, at[1],
         fmt::format("the run says this {} times, as {} nodes do: the slowest is taken", at.size(),
                     at.size()));
  }
  return slow;
}

std::string normal_row(const std::vector<std::string_view>& lines, const Run& run,
                       const std::string& name, const DeepEpRun& shape, ImportNotes notes) {
  const Best dispatch = slowest(lines, run.dispatches, name, notes);
  const Best combine = slowest(lines, run.combines, name, notes);
  return fmt::format("{},{},{},{},{},{:.0f},{:.6g},{:.6g},{:.6g},{:.6g}\n", shape.nodes,
                     shape.hidden, shape.tokens, shape.top_k, shape.experts, dispatch.sms,
                     dispatch.transmit, dispatch.notify, combine.transmit, combine.notify);
}

// Throws where what a bandwidth moves in the time beside it is less than a twentieth of all tokens,
// a byte a number, or over 200 times as much: two bytes go to ten ranks, and units differ by 1000.
void check_moved(const std::vector<std::string_view>& lines, const Run& run,
                 const std::string& name, const DeepEpRun& shape) {
  const double tokens = static_cast<double>(shape.tokens) * shape.hidden;
  const auto check = [&](std::size_t line, std::string_view text, double us) {
    const auto words = words_of(text.substr(0, text.find(" GB/s")));
    const double gigabytes = words.empty() ? 0 : number(words.back()).value_or(0);
    const double moved = gigabytes * us * 1e3;
    if (moved <= 0 || (moved >= tokens / 20 && moved <= 200 * tokens)) return;
    fail(name, line,
         fmt::format("{} GB/s for {} us are {:.3g} MB, of {} tokens of {}: is the time in us, and "
                     "the shape the run's?",
                     gigabytes, us, moved * 1e-6, shape.tokens, shape.hidden));
  };
  for (const RankTimes& rank : run.times) {
    const std::string_view line = lines[rank.line];
    check(rank.line, line, rank.dispatch);
    check(rank.line, line.substr(line.find("| Combine")), rank.combine);
  }
  for (const auto& best : {run.dispatches, run.combines}) {
    for (const std::size_t line : best)
      check(line, lines[line], best_in(lines[line], line, name).transmit);
  }
}

// What a run lacks that has no end; empty where it is whole.
std::string lacks(const Run& run) {
  if (run.tuned && run.dispatches.empty()) return "\"Best dispatch (FP8)\"";
  if (run.tuned && run.combines.empty()) return "\"Best combine\"";
  if (!run.tuned && 2 * run.timed.size() < run.ranks.size())
    return fmt::format("times of {} of {} ranks", run.ranks.size() - run.timed.size(),
                       run.ranks.size());
  return run.measured() ? "" : "times";
}

}  // namespace

std::string import_deepep(std::string_view text, const std::string& name, const DeepEpRun& given,
                          std::vector<std::string>* notes) {
  std::vector<std::string_view> lines = lines_of(text);
  if (!lines.empty() && ends_within(text, lines.back()) &&
      (has(lines.back(), "[tuning]") || has(lines.back(), "bandwidth:"))) {
    note(notes, name, lines.size() - 1, kCut);
    lines.pop_back();
  }
  std::string low_latency, normal;
  std::optional<std::size_t> failed, other;
  for (const Run& run : DeepEpLog(lines, name).read()) {
    if (run.failed_late) {
      note(notes, name, run.failed_at,
           "the run failed after its times, which are taken: " + run.failure);
    } else if (!run.failure.empty()) {
      note(notes, name, run.failed_at, "the run failed, it is left out: " + run.failure);
      if (!failed) failed = run.failed_at;
      continue;
    }
    if (!run.opened && !run.measured() && run.ranks.empty()) continue;
    if (const std::string missing = lacks(run); !missing.empty()) {
      note(notes, name, run.line,
           fmt::format("left out: the run has no {}: was it ended early?", missing));
      continue;
    }
    const DeepEpRun shape = shape_of(run, name, given, notes);
    check_moved(lines, run, name, shape);
    if (!run.tuned) {
      low_latency += low_latency_row(run, name, shape, notes);
    } else {
      normal += normal_row(lines, run, name, shape, notes);
      if (!other) other = run.line;
    }
  }
  if (!low_latency.empty()) {
    if (other) {
      note(notes, name, *other,
           "runs of the normal kernels are left out, beside those of low latency: a table of its "
           "own has them");
    }
    return "node_num,hidden_size,num_token,num_topk,num_experts,dispatch_us,combine_us\n" +
           low_latency;
  }
  if (!normal.empty()) {
    return "node_num,hidden_size,num_token,num_topk,num_experts,sms,dispatch_transmit_us,"
           "dispatch_notify_us,combine_transmit_us,combine_notify_us\n" +
           normal;
  }
  if (failed) fail(name, *failed, "the test failed: measure again");
  throw sim::InputError(
      fmt::format("{}: no line \"Dispatch bandwidth: … avg_t=… us | Combine bandwidth: …\" (low "
                  "latency), and not both of \"Best dispatch (FP8): …\" and \"Best combine: …\" "
                  "(normal)",
                  name));
}

}  // namespace moesim::validation
