// Runs a target over every file of a corpus, or over damaged copies of them:
//   fuzz_replay TARGET FOLDER [RUNS [SEED]]
// A regression test that needs no fuzzer: each input is taken or refused, and none crashes, takes
// more than 10 s of CPU or, without sanitizers, more than a GiB. A damaged input that does is kept
// as found-TARGET-RUN.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "sim/io/hdf5_guard.h"
#include "tests/fuzz/damage.h"
#include "tests/fuzz/targets.h"

namespace {

using Bytes = std::vector<std::uint8_t>;
using moesim::fuzz::Target;

#if defined(__SANITIZE_ADDRESS__)
constexpr long kMostKiB = 0;  // shadow and quarantine are not the program's
#else
constexpr long kMostKiB = 1 << 20;
#endif
constexpr rlim_t kMostSeconds = 10;

struct Outcome {
  int status = 0;
  long kib = 0;
};

// In a process of its own, as the program is: what a damaged file does to the HDF5 library ends
// there, with exit code 4.
Outcome run(const Target& target, const Bytes* inputs, std::size_t count) {
  const pid_t child = fork();
  if (child == 0) {
    moesim::sim::io::guard_hdf5_calls();
    const rlimit limit{kMostSeconds * count, kMostSeconds * count};
    setrlimit(RLIMIT_CPU, &limit);
    for (std::size_t i = 0; i < count; ++i) target.run({inputs[i].data(), inputs[i].size()});
    std::exit(0);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) != child) std::exit(1);
  return {status, usage.ru_maxrss};
}

// Whether the input was taken, or refused; says what it was where it was neither.
bool survives(const Target& target, const Bytes& input) {
  const Outcome outcome = run(target, &input, 1);
  if (WIFSIGNALED(outcome.status)) std::printf("ended by signal %d\n", WTERMSIG(outcome.status));
  const bool large = kMostKiB > 0 && outcome.kib > kMostKiB;
  if (large) std::printf("took %ld MiB\n", outcome.kib >> 10);
  const int code = WIFEXITED(outcome.status) ? WEXITSTATUS(outcome.status) : -1;
  return (code == 0 || code == 4) && !large;
}

// A hundred in a process; one by one where they do not all end well.
std::size_t damaged_runs(const Target& target, const std::vector<Bytes>& corpus, std::size_t runs,
                         std::uint64_t seed) {
  constexpr std::size_t kTogether = 100;
  std::mt19937_64 random(seed);
  std::size_t failed = 0;
  long most = 0;
  for (std::size_t done = 0; done < runs; done += kTogether) {
    std::vector<Bytes> inputs(std::min(kTogether, runs - done));
    for (Bytes& input : inputs)
      input = moesim::fuzz::damaged(corpus[random() % corpus.size()], random);
    const Outcome together = run(target, inputs.data(), inputs.size());
    most = std::max(most, together.kib);
    if (together.status == 0 && (kMostKiB == 0 || together.kib <= kMostKiB)) continue;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (survives(target, inputs[i])) continue;
      ++failed;
      const std::string name =
          std::string("found-") + std::string(target.name) + '-' + std::to_string(done + i);
      std::ofstream(name, std::ios::binary)
          .write(reinterpret_cast<const char*>(inputs[i].data()),
                 static_cast<std::streamsize>(inputs[i].size()));
      std::printf("%s\n", name.c_str());
    }
  }
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  std::printf("%s: %zu damaged inputs, %zu failed, %ld s of CPU, at most %ld MiB\n",
              std::string(target.name).c_str(), runs, failed,
              static_cast<long>(used.ru_utime.tv_sec + used.ru_stime.tv_sec), most >> 10);
  return failed;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 5) {
    std::fprintf(stderr, "usage: fuzz_replay TARGET FOLDER [RUNS [SEED]]\n");
    return 2;
  }
  const auto target =
      std::find_if(std::begin(moesim::fuzz::kTargets), std::end(moesim::fuzz::kTargets),
                   [&](const auto& known) { return known.name == argv[1]; });
  if (target == std::end(moesim::fuzz::kTargets)) {
    std::fprintf(stderr, "no target %s\n", argv[1]);
    return 2;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[2])) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  bool failed = false;
  std::vector<Bytes> corpus;
  for (const auto& file : files) {
    std::ifstream stream(file, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    if (argc > 3) continue;
    // Printed before, so that the last line names the input that ends the program.
    std::printf("%s\n", file.filename().c_str());
    std::fflush(stdout);
    failed = !survives(*target, corpus.back()) || failed;
  }
  if (argc > 3 && !corpus.empty()) {
    const std::uint64_t seed = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 1;
    failed = damaged_runs(*target, corpus, std::strtoull(argv[3], nullptr, 10), seed) > 0;
  }
  std::printf("%zu inputs\n", files.size());
  return failed || files.empty() ? 1 : 0;  // a corpus that is not found is no success
}
