// Runs a target over every file of a corpus: fuzz_replay TARGET FOLDER.
// A regression test that needs no fuzzer: each input is taken or refused, and none crashes.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "sim/io/hdf5_guard.h"
#include "tests/fuzz/targets.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: fuzz_replay TARGET FOLDER\n");
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
  for (const auto& file : files) {
    // Printed before, so that the last line names the input that ends the program.
    std::printf("%s\n", file.filename().c_str());
    std::fflush(stdout);
    // A process of its own, as the program is: what a damaged file does to the HDF5 library ends
    // there, with exit code 4.
    const pid_t child = fork();
    if (child == 0) {
      moesim::sim::io::guard_hdf5_calls();
      alarm(100);
      std::ifstream stream(file, std::ios::binary);
      const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
      target->run({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
      std::exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return 1;
    if (WIFSIGNALED(status)) std::printf("ended by signal %d\n", WTERMSIG(status));
    const bool refused = WIFEXITED(status) && WEXITSTATUS(status) == 4;
    if (!refused && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) failed = true;
  }
  std::printf("%zu inputs\n", files.size());
  return failed || files.empty() ? 1 : 0;  // a corpus that is not found is no success
}
