#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "validation/cuda/protocol/commands.h"
#include "validation/cuda/protocol/points_file.h"
#include "validation/cuda/protocol/supervisor.h"

namespace moesim::validation::cuda {
namespace {

std::string text_of(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

std::string read_text(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

std::string flags_text(const PointResult& result) {
  std::string flags;
  for (const std::string& flag : result.flags) flags += " [" + flag + "]";
  return flags;
}

// Beyond the budget, for the point that is at work when it ends.
constexpr double kGraceSeconds = 10;

// The supervisor's side: hears of the points and writes them down.
class Writer {
 public:
  // Throws PlanError for points that are not of this plan.
  Writer(const CommandLine& line, const Plan& plan)
      : line_(line),
        plan_(plan),
        steps_(run_steps(plan.points.size(), line.seed)),
        partial_(line.out + ".partial") {
    if (line.resume) go_on();
    summary = before_.summary;
    record = record_of(line);
    record.merge(before_.record);
    replace_file(partial_, before_.text);
    out_.open(partial_, std::ios::binary | std::ios::app);
  }

  std::int64_t from() const { return before_.steps; }
  std::int64_t steps() const { return static_cast<std::int64_t>(steps_.size()); }
  bool begun() const { return headed_ || !before_.text.empty(); }

  void hear(const Message& message) {
    if (message.kind == "note") {
      head(message.text);
      return;
    }
    const std::vector<std::string> fields = split_fields(message.text);
    if (fields.size() != 4) return;
    write(fields[0]);
    PointResult flags;
    if (!fields[2].empty()) flags.flags = {fields[2]};
    summary.count(flags);
    record = KernelRecord::parse(fields[3]);
    progress(message.step, fields[1]);
  }

  // A step that took its worker with it stands in the points, flagged; one that was cut off by the
  // end of the budget does not, and is made when the run goes on.
  void lose(const Loss& loss) {
    if (loss.how == Loss::How::TimeUp) return;
    const RunStep& step = steps_[static_cast<std::size_t>(loss.step)];
    const PlanPoint& point = plan_.points[step.point];
    const std::string kernel = loss.kernel.empty() ? kernel_of(point) : loss.kernel;
    PointResult result;
    result.pass = step.pass;
    if (loss.how == Loss::How::Hung) {
      record.hung(kernel);
      result.flags = {hung_flag(kernel, loss.why)};
    } else {
      record.wrong(kernel, point.id);
      result.flags = {"failed: " + loss.why};
    }
    write(point_line(point, result));
    summary.count(result);
    progress(loss.step, "[" + result.flags[0] + "]");
  }

  // Whether the points could be written.
  bool close() {
    out_.close();
    return out_ && std::rename(partial_.c_str(), line_.out.c_str()) == 0;
  }
  void forget() {
    out_.close();
    std::remove(partial_.c_str());
  }

  RunSummary summary;
  KernelRecord record;

 private:
  // A line that was cut off is made again when the run goes on.
  void write(const std::string& text) {
    errno = 0;
    out_ << text << std::flush;
    if (out_) return;
    throw std::runtime_error(partial_ + " cannot be written: " + std::strerror(errno) +
                             ": the points until here are in it, and --resume goes on with them");
  }
  void go_on() {
    for (const std::string& file : {partial_, line_.out}) {
      before_ = parse_points(read_text(file), file, plan_, steps_);
      if (before_.steps == 0) continue;
      std::fprintf(stderr, "goes on behind %lld of %zu points in %s\n",
                   static_cast<long long>(before_.steps), steps_.size(), file.c_str());
      return;
    }
  }
  void head(const std::string& header) {
    if (headed_) return;
    headed_ = true;
    if (before_.text.empty()) {
      write(header);
    } else if (const std::string why = why_another(before_.metadata, parse_metadata(header));
               !why.empty()) {
      throw PlanError(line_.out + ": the points there cannot be gone on with: " + why);
    }
  }
  void progress(std::int64_t step, const std::string& text) const {
    const RunStep& at = steps_[static_cast<std::size_t>(step)];
    std::fprintf(stderr, "%3" PRId64 "/%zu pass %d %-16s %s\n", step + 1, steps_.size(), at.pass,
                 plan_.points[at.point].id.c_str(), text.c_str());
  }

  const CommandLine& line_;
  const Plan& plan_;
  std::vector<RunStep> steps_;
  std::string partial_;
  PointsSoFar before_;
  std::ofstream out_;
  bool headed_ = false;
};

std::vector<std::string> worker_command(const std::string& self, const CommandLine& line,
                                        double seconds, std::int64_t from,
                                        const KernelRecord& record) {
  std::vector<std::string> command{self,       "run",
                                   "--plan",   line.plan,
                                   "--out",    line.out,
                                   "--seed",   std::to_string(line.seed),
                                   "--budget", text_of(seconds > 0.001 ? seconds : 0.001),
                                   "--from",   std::to_string(from)};
  if (const std::string text = record.text(); !text.empty()) {
    command.insert(command.end(), {"--record", text});
  }
  return command;
}

}  // namespace

int run_worker(Machine& machine, const CommandLine& line, const std::string& self) {
  const Plan plan = load_plan(line.plan);
  Metadata metadata = points_metadata(machine, plan, line.seed);
  metadata.emplace_back("program", std::to_string(text_hash(read_text(self))));
  say("note", 0, points_header(metadata));
  KernelRecord record = record_of(line);
  RunOptions options;
  options.budget_seconds = line.budget_seconds.value_or(kRunBudget);
  options.seed = line.seed;
  options.clock = seconds_now;
  options.from = line.from;
  options.record = &record;
  RunListener listener;
  listener.begin = [](std::int64_t step, const PlanPoint& point) { say("begin", step, point.id); };
  listener.at = [](const std::string& kernel) { say("at", 0, kernel); };
  listener.done = [&](std::int64_t step, const PlanPoint& point, const PointResult& result) {
    char time[40];
    std::snprintf(time, sizeof time, "%10.2f us", result.p50_us);
    say("done", step,
        join_fields({point_line(point, result), time + flags_text(result),
                     result.flags.empty() ? "" : result.flags[0], record.text()}));
    if (!result.flags.empty() && !machine.usable()) start_again();
    return true;
  };
  return run_plan(machine, plan, options, listener).complete() ? 0 : 5;
}

int supervise_run(const std::string& self, const CommandLine& line) {
  const Plan plan = load_plan(line.plan);
  const double budget = line.budget_seconds.value_or(kRunBudget), start = seconds_now();
  Writer writer(line, plan);
  SupervisionEnd end;
  if (writer.from() < writer.steps()) {
    const auto command = [&](std::int64_t from) {
      return worker_command(self, line, budget - (seconds_now() - start), from, writer.record);
    };
    end = supervise({.command = command,
                     .first = writer.from(),
                     .steps = writer.steps(),
                     .patience_seconds = line.patience_seconds,
                     .most_seconds = budget + kGraceSeconds,
                     .heard = [&](const Message& message) { writer.hear(message); },
                     .lost = [&](const Loss& loss) { writer.lose(loss); }});
  }
  RunSummary& summary = writer.summary;
  summary.left_out = static_cast<int>(writer.steps()) - summary.measured;
  if (!writer.begun()) {
    writer.forget();
    std::fprintf(stderr, "moesim-gpu: nothing was measured: %s\n",
                 end.gave_up.empty() ? "see above" : end.gave_up.c_str());
    return end.exit_code == 0 ? 1 : end.exit_code;
  }
  if (!writer.close()) {
    std::fprintf(stderr, "moesim-gpu: %s cannot be written\n", line.out.c_str());
    return 1;
  }
  std::fprintf(stderr, "%d points measured, %d of them flagged, %d skipped; %d left out\n",
               summary.measured, summary.flagged, summary.skipped, summary.left_out);
  for (const std::string& kernel : writer.record.distrusted()) {
    std::fprintf(stderr, "not asked again: %s\n", writer.record.why_not(kernel).c_str());
  }
  if (!end.gave_up.empty()) {
    std::fprintf(stderr, "given up, workers die before their first point: %s\n",
                 end.gave_up.c_str());
  } else if (!summary.complete()) {
    std::fprintf(stderr, "the budget of %g s did not suffice: the points are a part of the plan\n",
                 budget);
  }
  return summary.complete() ? 0 : 5;
}

}  // namespace moesim::validation::cuda
