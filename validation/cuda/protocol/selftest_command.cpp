#include <cstdio>

#include "validation/cuda/protocol/commands.h"
#include "validation/cuda/protocol/selftest.h"
#include "validation/cuda/protocol/selftest_report.h"
#include "validation/cuda/protocol/supervisor.h"

namespace moesim::validation::cuda {
namespace {

SelftestSize size_of(const CommandLine& line) {
  return line.small ? SelftestSize::Emulated : SelftestSize::Full;
}

bool all_ok(const SelftestReport& report) {
  for (const SelftestResult& result : report.results) {
    if (!result.check.ok()) return false;
  }
  return true;
}

// The supervisor's side: hears of the checks, prints them, and keeps the JSON up to date.
class Reader {
 public:
  Reader(const CommandLine& line, std::size_t steps) : line_(line) {
    report.steps = steps;
    report.record = record_of(line);
  }
  void take(const Message& message) {
    const std::vector<std::string> fields = split_fields(message.text);
    if (message.kind == "done") {
      // The record is the last field, behind those of the result.
      report.record = KernelRecord::parse(fields.back());
      add(parse_result({fields.begin(), fields.end() - 1}));
    } else if (fields.size() == 2 && report.results.empty()) {
      report.device.emplace_back(fields[0], fields[1]);
    }
  }
  void lose(const Loss& loss, const std::string& kernel_of_step) {
    const std::string kernel = loss.kernel.empty() ? kernel_of_step : loss.kernel;
    if (loss.how == Loss::How::Hung) report.record.hung(kernel);
    if (loss.how == Loss::How::Died) report.record.wrong(kernel, std::to_string(loss.step));
    SelftestResult result;
    result.kernel = loss.what;
    result.check.name = loss.what + " (check " + std::to_string(loss.step) + ")";
    result.check.trouble = (kernel == loss.what ? "" : kernel + ": ") + loss.why;
    add(std::move(result));
  }
  void add(SelftestResult result) {
    print(check_line(result.check));
    report.results.push_back(std::move(result));
    write();
  }
  void write() {
    if (line_.json.empty() || !written_) return;
    written_ = replace_file(line_.json, selftest_json(report));
  }
  bool written() const { return written_; }

  SelftestReport report;

 private:
  const CommandLine& line_;
  bool written_ = true;
};

std::vector<std::string> worker_command(const std::string& self, const CommandLine& line,
                                        std::int64_t from, const KernelRecord& record) {
  std::vector<std::string> command{
      self, "selftest", "--from", std::to_string(from), "--seed", std::to_string(line.seed)};
  if (line.small) command.push_back("--small");
  if (const std::string text = record.text(); !text.empty()) {
    command.insert(command.end(), {"--record", text});
  }
  return command;
}

}  // namespace

int selftest_worker(Machine& machine, const CommandLine& line) {
  for (const auto& [key, value] : machine.info().metadata()) {
    say("note", 0, join_fields({key, value}));
  }
  const std::vector<SelftestStep> steps = selftest_steps(size_of(line));
  KernelRecord record = record_of(line);
  double start = 0;
  SelftestListener listener;
  listener.begin = [&](std::size_t i) {
    say("begin", static_cast<std::int64_t>(i), steps[i].kernel);
    start = seconds_now();
  };
  listener.at = [](const std::string& kernel) { say("at", 0, kernel); };
  listener.done = [&](std::size_t i, const Check& check) {
    const SelftestResult result{steps[i].kernel, check, seconds_now() - start};
    std::vector<std::string> fields = result_fields(result);
    fields.push_back(record.text());
    say("done", static_cast<std::int64_t>(i), join_fields(fields));
    if (!check.ok() && !machine.usable()) start_again();
  };
  run_selftest(machine, steps, static_cast<std::size_t>(line.from), line.seed, record, listener);
  return 0;
}

int selftest_alone(Machine& machine, const CommandLine& line) {
  const std::vector<SelftestStep> steps = selftest_steps(size_of(line));
  Reader reader(line, steps.size());
  SelftestListener listener;
  listener.begin = [](std::size_t) {};
  listener.done = [&](std::size_t i, const Check& check) {
    reader.add({steps[i].kernel, check, 0});
  };
  run_selftest(machine, steps, 0, line.seed, reader.report.record, listener);
  print(selftest_summary(reader.report));
  return all_ok(reader.report) ? 0 : 1;
}

int supervise_selftest(const std::string& self, const CommandLine& line) {
  const std::vector<SelftestStep> steps = selftest_steps(size_of(line));
  Reader reader(line, steps.size());
  const SupervisionEnd end =
      supervise({.command =
                     [&](std::int64_t from) {
                       return worker_command(self, line, from, reader.report.record);
                     },
                 .steps = static_cast<std::int64_t>(steps.size()),
                 .patience_seconds = line.patience_seconds,
                 .most_seconds = line.budget_seconds.value_or(0),
                 .heard = [&](const Message& message) { reader.take(message); },
                 .lost =
                     [&](const Loss& loss) {
                       reader.lose(loss, steps[static_cast<std::size_t>(loss.step)].kernel);
                     }});
  const std::size_t made = reader.report.results.size();
  if (made < steps.size()) {
    SelftestResult result;
    result.kernel = result.check.name = "the rest";
    result.check.trouble =
        std::to_string(steps.size() - made) + " checks were not made: " +
        (end.time_up           ? "the time was up"
         : end.gave_up.empty() ? "the worker ended with " + std::to_string(end.exit_code)
                               : "workers die before their first: " + end.gave_up);
    reader.add(std::move(result));
  } else {
    reader.report.complete = true;
  }
  reader.write();
  print(selftest_summary(reader.report));
  if (!reader.written()) {
    std::fprintf(stderr, "moesim-gpu: %s cannot be written\n", line.json.c_str());
    return 1;
  }
  return all_ok(reader.report) ? 0 : 1;
}

}  // namespace moesim::validation::cuda
