#include "validation/cuda/protocol/program.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "validation/cuda/protocol/commands.h"
#include "validation/cuda/protocol/messages.h"
#include "validation/cuda/protocol/supervisor.h"

namespace moesim::validation::cuda {

double seconds_now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void say(const std::string& kind, std::int64_t step, const std::string& text) {
  print(message_line({kind, step, text}));
}

void start_again() {
  std::fflush(stdout);
  _exit(kStartAgain);
}

KernelRecord record_of(const CommandLine& line) {
  KernelRecord record = KernelRecord::parse(line.record);
  for (const std::string& kernel : line.without) record.leave_out(kernel);
  return record;
}

Plan load_plan(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw PlanError(file + " cannot be read");
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return parse_plan(text, file);
}

bool replace_file(const std::string& file, const std::string& text) {
  const std::string beside = file + ".partial";
  std::ofstream out(beside, std::ios::binary);
  out << text;
  out.close();
  return out && std::rename(beside.c_str(), file.c_str()) == 0;
}

namespace {

int print_info(Machine& machine) {
  for (const auto& [key, value] : machine.info().metadata()) print(key + ": " + value + "\n");
  return 0;
}

int do_it(const std::string& self, const CommandLine& line, const ProgramMachine& machine) {
  const Availability found = machine.look();
  if (found.gpu == GpuIs::None) {
    print("SKIPPED: no GPU to measure on (" + found.why + ")\n");
    return 77;
  }
  if (found.gpu == GpuIs::Unusable) {
    std::fprintf(stderr, "moesim-gpu: the GPU cannot be used: %s\n", found.why.c_str());
    return 1;
  }
  if (line.command == "info") return print_info(*machine.make());
  const bool selftest = line.command == "selftest";
  if (selftest && line.one_process) return selftest_alone(*machine.make(), line);
  if (line.from < 0) return selftest ? supervise_selftest(self, line) : supervise_run(self, line);
  const std::unique_ptr<Machine> mine = machine.make();
  return selftest ? selftest_worker(*mine, line) : run_worker(*mine, line, self);
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
    return do_it(self, line, machine);
  } catch (const PlanError& error) {
    std::fprintf(stderr, "moesim-gpu: %s\n", error.what());
    return 4;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "moesim-gpu: %s\n", error.what());
    return 1;
  }
}

}  // namespace moesim::validation::cuda
