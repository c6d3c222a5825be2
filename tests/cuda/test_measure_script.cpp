#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/temporary_folder.h"

using namespace moesim;

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// A program in moesim-gpu's place: notes its arguments, writes what it is asked for, and ends as
// `script` says.
fs::path program(const fs::path& folder, const std::string& script) {
  const fs::path file = folder / "moesim-gpu";
  std::ofstream(file) << "#!/bin/sh\n"
                      << "echo \"$@\" >> '" << (folder / "calls").string() << "'\n"
                      << script << "\n";
  fs::permissions(file, fs::perms::owner_all);
  return file;
}

struct Outcome {
  int code;
  std::string output, calls;
};

Outcome measure(const fs::path& folder, const std::string& script,
                const std::string& options = "--minutes 1") {
  const fs::path file = program(folder, script);
  const std::string command = "validation/cuda/measure.sh --program '" + file.string() +
                              "' --plan p.csv " + options + " '" + (folder / "out").string() +
                              "' > '" + (folder / "output").string() + "' 2>&1";
  const int status = std::system(command.c_str());
  return {WEXITSTATUS(status), read(folder / "output"), read(folder / "calls")};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the script of a GPU machine tests small and large, then measures the plan") {
  const tests::TemporaryFolder folder;
  const Outcome outcome = measure(folder.path(), "[ $1 != selftest ] || echo 'selftest: fine'");
  CAPTURE(outcome.output);
  CHECK(outcome.code == 0);
  const std::string out = (folder.path() / "out").string();
  CHECK(has(outcome.calls,
            "info\nselftest --small --patience 20s --json " + out + "/selftest-small.json\n"));
  CHECK(has(outcome.calls, "selftest --patience 45s --json " + out +
                               "/selftest.json\nrun --plan "
                               "p.csv --out " +
                               out + "/points.csv --budget "));
  CHECK(has(outcome.output, "selftest: fine\n"));
  CHECK(has(outcome.output, "; all went well\n"));
}

TEST_CASE("the script goes on behind a step that fails, and says which") {
  const tests::TemporaryFolder folder;
  const Outcome outcome = measure(folder.path(), "[ $1 != selftest ] || exit 1");
  CHECK(outcome.code == 1);
  CHECK(has(outcome.calls, "\nrun --plan"));
  CHECK(has(outcome.output, "selftest-small: ended with 1\n"));
  CHECK(has(outcome.output, "; failed: selftest-small selftest\n"));
}

TEST_CASE("the script tells a cut plan and a machine without a GPU apart") {
  const tests::TemporaryFolder one, other;
  CHECK(measure(one.path(), "[ $1 != run ] || exit 5").code == 5);
  const Outcome none = measure(other.path(), "echo 'SKIPPED: no GPU to measure on'; exit 77");
  CHECK(none.code == 77);
  CHECK(none.calls == "info\n");
  CHECK(has(none.output, "SKIPPED: no GPU to measure on\n"));
}

TEST_CASE("the script leaves out what there is no time for") {
  const tests::TemporaryFolder folder;
  // 2.4 s: the selftest sleeps them away, and the plan is not begun.
  const Outcome outcome = measure(folder.path(), "[ $1 != selftest ] || sleep 9", "--minutes 0.04");
  CHECK(outcome.code == 1);
  CHECK(has(outcome.output, "selftest-small: not done within "));
  CHECK(has(outcome.output, "run: left out, the time is up\n"));
}
