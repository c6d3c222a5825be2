// moesim-gpu: the kernels of a mixture layer on the GPU at hand.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "validation/cuda/program/cuda_machine.h"
#include "validation/cuda/protocol/command_line.h"
#include "validation/cuda/protocol/run_plan.h"
#include "validation/cuda/protocol/selftest.h"

namespace {

using namespace moesim::validation::cuda;

double seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

int print_info() {
  const CudaMachine machine;
  const MachineInfo& info = machine.info();
  std::printf("device: %s\nmultiprocessors: %d\nl2_bytes: %zu\nmemory_bytes: %zu\n",
              info.device.c_str(), info.multiprocessors, info.l2_bytes, info.memory_bytes);
  for (const auto& [key, value] : info.details) std::printf("%s: %s\n", key.c_str(), value.c_str());
  return 0;
}

int run_selftest(const CommandLine& line) {
  CudaMachine machine;
  const bool ok = selftest(machine, line.small ? SelftestSize::Emulated : SelftestSize::Full,
                           line.seed, [](const Check& check) {
                             std::printf("%-7s %9.2e (at most %.1e) %s%s%s%s%s\n",
                                         !check.skipped.empty() ? "skipped"
                                         : check.ok()           ? "ok"
                                                                : "WRONG",
                                         check.error, check.bound, check.name.c_str(),
                                         check.trouble.empty() ? "" : ": ", check.trouble.c_str(),
                                         check.skipped.empty() ? "" : ": ", check.skipped.c_str());
                             std::fflush(stdout);
                           });
  std::printf("%s\n", ok ? "selftest: all kernels agree with their references"
                         : "selftest: WRONG results, see above");
  return ok ? 0 : 1;
}

int run(const CommandLine& line) {
  std::ifstream file(line.plan);
  if (!file) {
    std::fprintf(stderr, "moesim-gpu: %s cannot be read\n", line.plan.c_str());
    return 4;
  }
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::optional<Plan> plan;
  try {
    plan = parse_plan(text, line.plan);
  } catch (const PlanError& error) {
    std::fprintf(stderr, "moesim-gpu: %s\n", error.what());
    return 4;
  }
  CudaMachine machine;
  RunOptions options;
  options.budget_seconds = line.budget_seconds;
  options.seed = line.seed;
  options.clock = seconds;
  // Written beside the file and renamed when whole; what there is stays if the run is cut off.
  const std::string partial = line.out + ".partial";
  std::ofstream out(partial);
  int done = 0;
  const int total = static_cast<int>(2 * plan->points.size());
  const RunSummary summary = run_plan(
      machine, *plan, options, [&](const std::string& row) { out << row << std::flush; },
      [&](const PlanPoint& point, const PointResult& result) {
        std::string flags;
        for (const std::string& flag : result.flags) flags += " [" + flag + "]";
        std::fprintf(stderr, "%3d/%d pass %d %-16s %10.2f us%s\n", ++done, total, result.pass,
                     point.id.c_str(), result.p50_us, flags.c_str());
      });
  out.close();
  if (!out || std::rename(partial.c_str(), line.out.c_str()) != 0) {
    std::fprintf(stderr, "moesim-gpu: %s cannot be written\n", line.out.c_str());
    return 1;
  }
  std::fprintf(stderr, "%d points measured, %d of them flagged, %d skipped; %d left out\n",
               summary.measured, summary.flagged, summary.skipped, summary.left_out);
  if (!summary.complete()) {
    std::fprintf(stderr, "the budget of %g s did not suffice: the points are a part of the plan\n",
                 line.budget_seconds);
  }
  return summary.complete() ? 0 : 5;
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine line;
  try {
    line = parse_command_line({argv + 1, argv + argc});
  } catch (const UsageError& error) {
    std::fprintf(stderr, "moesim-gpu: %s\n%s", error.what(), kUsage);
    return 2;
  }
  if (line.command == "help") {
    std::printf("%s", kUsage);
    return 0;
  }
  if (const std::string reason = why_no_gpu(); !reason.empty()) {
    std::printf("SKIPPED: no GPU to measure on (%s)\n", reason.c_str());
    return 77;
  }
  try {
    if (line.command == "info") return print_info();
    if (line.command == "selftest") return run_selftest(line);
    return run(line);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "moesim-gpu: %s\n", error.what());
    return 1;
  }
}
