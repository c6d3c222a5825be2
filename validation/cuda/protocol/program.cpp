#include "validation/cuda/protocol/program.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>

#include "validation/cuda/protocol/command_line.h"
#include "validation/cuda/protocol/run_plan.h"
#include "validation/cuda/protocol/selftest.h"
#include "validation/cuda/protocol/selftest_report.h"
#include "validation/cuda/protocol/supervisor.h"

namespace moesim::validation::cuda {
namespace {

double seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

std::string text_of(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

SelftestSize size_of(const CommandLine& line) {
  return line.small ? SelftestSize::Emulated : SelftestSize::Full;
}

// Throws PlanError.
Plan load_plan(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw PlanError(file + " cannot be read");
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return parse_plan(text, file);
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

int print_info(Machine& machine) {
  for (const auto& [key, value] : machine.info().metadata()) print(key + ": " + value + "\n");
  return 0;
}

// ---- In a worker: steps one after another, and a message about each.

void say(const std::string& kind, std::int64_t step, const std::string& text) {
  print(message_line({kind, step, text}));
}

// Ends the process at once: a broken context may not let itself be cleared away.
[[noreturn]] void start_again() {
  std::fflush(stdout);
  _exit(kStartAgain);
}

int selftest_worker(Machine& machine, const CommandLine& line) {
  for (const auto& [key, value] : machine.info().metadata()) {
    say("note", 0, join_fields({key, value}));
  }
  const std::vector<SelftestStep> steps = selftest_steps(size_of(line));
  for (auto i = static_cast<std::size_t>(line.from); i < steps.size(); ++i) {
    const auto number = static_cast<std::int64_t>(i);
    say("begin", number, steps[i].kernel);
    const double start = seconds();
    const SelftestResult result{steps[i].kernel, run_step(machine, steps, i, line.seed),
                                seconds() - start};
    say("done", number, result_text(result));
    if (!result.check.ok() && !machine.usable()) start_again();
  }
  return 0;
}

std::string flags_text(const PointResult& result) {
  std::string flags;
  for (const std::string& flag : result.flags) flags += " [" + flag + "]";
  return flags;
}

int run_worker(Machine& machine, const CommandLine& line) {
  const Plan plan = load_plan(line.plan);
  say("note", 0, points_header(points_metadata(machine, plan, line.seed)));
  RunOptions options;
  options.budget_seconds = line.budget_seconds;
  options.seed = line.seed;
  options.clock = seconds;
  options.from = line.from;
  RunListener listener;
  listener.begin = [](std::int64_t step, const PlanPoint& point) { say("begin", step, point.id); };
  listener.done = [&](std::int64_t step, const PlanPoint& point, const PointResult& result) {
    char time[40];
    std::snprintf(time, sizeof time, "%10.2f us", result.p50_us);
    say("done", step,
        join_fields({point_line(point, result), time + flags_text(result),
                     result.flags.empty() ? "" : result.flags[0]}));
    if (!result.flags.empty() && !machine.usable()) start_again();
    return true;
  };
  return run_plan(machine, plan, options, listener).complete() ? 0 : 5;
}

// ---- The supervisor's side.

class Reader {
 public:
  void take(const Message& message) {
    const std::vector<std::string> fields = split_fields(message.text);
    if (message.kind == "done") {
      add(parse_result(message.text));
    } else if (fields.size() == 2 && results.empty()) {
      device.emplace_back(fields[0], fields[1]);
    }
  }
  void add(SelftestResult result) {
    print(check_line(result.check));
    results.push_back(std::move(result));
  }

  Metadata device;
  std::vector<SelftestResult> results;
};

int supervise_selftest(const std::string& self, const CommandLine& line) {
  const auto steps = static_cast<std::int64_t>(selftest_steps(size_of(line)).size());
  Reader reader;
  const SupervisionEnd end =
      supervise({.command =
                     [&](std::int64_t from) {
                       std::vector<std::string> command{self,     "selftest",
                                                        "--from", std::to_string(from),
                                                        "--seed", std::to_string(line.seed)};
                       if (line.small) command.push_back("--small");
                       return command;
                     },
                 .steps = steps,
                 .patience_seconds = line.patience_seconds,
                 .heard = [&](const Message& message) { reader.take(message); },
                 .lost =
                     [&](std::int64_t step, const std::string& what, const std::string& why) {
                       SelftestResult result;
                       result.kernel = what;
                       result.check.name = what + " (check " + std::to_string(step) + ")";
                       result.check.trouble = why;
                       reader.add(std::move(result));
                     }});
  if (static_cast<std::int64_t>(reader.results.size()) < steps) {
    SelftestResult result;
    result.kernel = result.check.name = "the rest";
    result.check.trouble =
        std::to_string(steps - static_cast<std::int64_t>(reader.results.size())) +
        " checks were not made: " +
        (end.gave_up.empty() ? "the worker ended with " + std::to_string(end.exit_code)
                             : "workers die before their first: " + end.gave_up);
    reader.add(std::move(result));
  }
  print(selftest_summary(reader.results));
  if (!line.json.empty()) {
    std::ofstream file(line.json);
    file << selftest_json(reader.device, reader.results);
    file.close();
    if (!file) {
      std::fprintf(stderr, "moesim-gpu: %s cannot be written\n", line.json.c_str());
      return 1;
    }
  }
  for (const SelftestResult& result : reader.results) {
    if (!result.check.ok()) return 1;
  }
  return 0;
}

// A step that took its worker with it stands in the points, flagged.
std::string lost_line(const Plan& plan, const RunStep& step, const std::string& why) {
  PointResult result;
  result.pass = step.pass;
  result.flags = {"failed: " + why};
  return point_line(plan.points[step.point], result);
}

int supervise_run(const std::string& self, const CommandLine& line) {
  const Plan plan = load_plan(line.plan);
  const std::vector<RunStep> steps = run_steps(plan.points.size(), line.seed);
  // Written beside the file and renamed when whole; what there is stays if the run is cut off.
  const std::string partial = line.out + ".partial";
  std::ofstream out(partial);
  const double start = seconds();
  RunSummary summary;
  bool headed = false;
  const auto progress = [&](std::int64_t step, const std::string& text) {
    const RunStep& at = steps[static_cast<std::size_t>(step)];
    std::fprintf(stderr, "%3lld/%zu pass %d %-16s %s\n", static_cast<long long>(step + 1),
                 steps.size(), at.pass, plan.points[at.point].id.c_str(), text.c_str());
  };
  const SupervisionEnd end = supervise(
      {.command =
           [&](std::int64_t from) {
             const double left = line.budget_seconds - (seconds() - start);
             return std::vector<std::string>{self,       "run",
                                             "--plan",   line.plan,
                                             "--out",    line.out,
                                             "--seed",   std::to_string(line.seed),
                                             "--budget", text_of(left > 0.001 ? left : 0.001),
                                             "--from",   std::to_string(from)};
           },
       .steps = static_cast<std::int64_t>(steps.size()),
       .patience_seconds = line.patience_seconds,
       .heard =
           [&](const Message& message) {
             if (message.kind == "note") {
               if (!headed) out << message.text << std::flush;
               headed = true;
               return;
             }
             const std::vector<std::string> fields = split_fields(message.text);
             if (fields.size() != 3) return;
             out << fields[0] << std::flush;
             PointResult flags;
             if (!fields[2].empty()) flags.flags = {fields[2]};
             summary.count(flags);
             progress(message.step, fields[1]);
           },
       .lost =
           [&](std::int64_t step, const std::string& /*id*/, const std::string& why) {
             out << lost_line(plan, steps[static_cast<std::size_t>(step)], why) << std::flush;
             ++summary.measured;
             ++summary.flagged;
             progress(step, "[failed: " + why + "]");
           }});
  summary.left_out = static_cast<int>(steps.size()) - summary.measured;
  out.close();
  if (!headed) {
    std::remove(partial.c_str());
    std::fprintf(stderr, "moesim-gpu: nothing was measured: %s\n",
                 end.gave_up.empty() ? "see above" : end.gave_up.c_str());
    return end.exit_code == 0 ? 1 : end.exit_code;
  }
  if (!out || std::rename(partial.c_str(), line.out.c_str()) != 0) {
    std::fprintf(stderr, "moesim-gpu: %s cannot be written\n", line.out.c_str());
    return 1;
  }
  std::fprintf(stderr, "%d points measured, %d of them flagged, %d skipped; %d left out\n",
               summary.measured, summary.flagged, summary.skipped, summary.left_out);
  if (!end.gave_up.empty()) {
    std::fprintf(stderr, "given up, workers die before their first point: %s\n",
                 end.gave_up.c_str());
  } else if (!summary.complete()) {
    std::fprintf(stderr, "the budget of %g s did not suffice: the points are a part of the plan\n",
                 line.budget_seconds);
  }
  return summary.complete() ? 0 : 5;
}

// All in this process: for a memory checker, which follows no others.
int run_alone(Machine& machine, const CommandLine& line) {
  Reader reader;
  const std::vector<SelftestStep> steps = selftest_steps(size_of(line));
  for (std::size_t i = 0; i < steps.size(); ++i) {
    reader.add({steps[i].kernel, run_step(machine, steps, i, line.seed), 0});
  }
  print(selftest_summary(reader.results));
  for (const SelftestResult& result : reader.results) {
    if (!result.check.ok()) return 1;
  }
  return 0;
}

}  // namespace

int gpu_program(const std::string& self, const std::vector<std::string>& arguments,
                const ProgramMachine& machine) {
  CommandLine line;
  try {
    line = parse_command_line(arguments);
  } catch (const UsageError& error) {
    std::fprintf(stderr, "moesim-gpu: %s\n%s", error.what(), kUsage);
    return 2;
  }
  if (line.command == "help") {
    print(kUsage);
    return 0;
  }
  try {
    if (const std::string reason = machine.why_none(); !reason.empty()) {
      print("SKIPPED: no GPU to measure on (" + reason + ")\n");
      return 77;
    }
    if (line.command == "info") return print_info(*machine.make());
    const bool selftest = line.command == "selftest";
    if (selftest && line.one_process) return run_alone(*machine.make(), line);
    if (line.from < 0) return selftest ? supervise_selftest(self, line) : supervise_run(self, line);
    const std::unique_ptr<Machine> mine = machine.make();
    return selftest ? selftest_worker(*mine, line) : run_worker(*mine, line);
  } catch (const PlanError& error) {
    std::fprintf(stderr, "moesim-gpu: %s\n", error.what());
    return 4;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "moesim-gpu: %s\n", error.what());
    return 1;
  }
}

}  // namespace moesim::validation::cuda
