// Processor time of whole processes: the program that does nothing, and the one that runs a small
// scenario of one step, with a trace (whose cache is warm) and without. The yardstick is the first.
#include <benchmark/benchmark.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

const char* g_program = nullptr;  // the moesim to measure

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

// Processor seconds of one process, its loading and its kernel's part with it; less than 0: it
// failed.
double cpu_of(const std::vector<std::string>& words) {
  std::vector<char*> arguments{const_cast<char*>(g_program)};
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", 1 /* O_WRONLY */, 0);
  pid_t child = 0;
  const int failed = posix_spawn(&child, g_program, &quiet, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&quiet);
  if (failed != 0) return -1;
  int status = 0;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child || status != 0) return -1;
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void process(benchmark::State& state, const std::vector<std::string>& words) {
  if (cpu_of(words) < 0) return state.SkipWithError("the program failed");  // warms the cache
  for (auto _ : state) state.SetIterationTime(cpu_of(words));
}

}  // namespace

BENCHMARK_CAPTURE(process, nothing, {"--version"})->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(process, llama_no_trace,
                  {"run", "configs/scenarios/llama-2-70b-decode-h100.yaml", "--set",
                   "network=bound"})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(process, mixtral_with_trace,
                  {"run", "configs/scenarios/mixtral-8x7b-decode-h100.yaml", "--set",
                   "network=bound", "--set", "step.count=1"})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

// bench_start PROGRAM [options of Google Benchmark]
int main(int argc, char** argv) {
  if (argc < 2) return 2;
  g_program = argv[1];
  const auto cache =
      std::filesystem::temp_directory_path() / ("moesim-bench-" + std::to_string(getpid()));
  setenv("XDG_CACHE_HOME", cache.c_str(), 1);
  unsetenv("MOESIM_TRACE_CACHE");
  --argc;
  ++argv;
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  std::error_code ignored;
  std::filesystem::remove_all(cache, ignored);
}
