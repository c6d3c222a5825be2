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
  CHECK(has(outcome.calls, "info\nselftest --small --patience 5s --budget "));
  CHECK(has(outcome.calls, "s --json " + out + "/selftest-small.json\n"));
  CHECK(has(outcome.calls, "s --json " + out +
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
  // 6 s: the selftest sleeps them away, and the plan is not begun.
  const Outcome outcome = measure(folder.path(), "[ $1 != selftest ] || sleep 9", "--minutes 0.1");
  CHECK(outcome.code == 1);
  CHECK(has(outcome.output, "selftest-small: not done within "));
  CHECK(has(outcome.output, "selftest: left out, the time is up\n"));
  CHECK(has(outcome.output, "run: left out, the time is up\n"));
}

TEST_CASE("the script measures without the kernels that a selftest found to hang or to be wrong") {
  const tests::TemporaryFolder folder;
  // The JSON's path is the last argument of a selftest.
  const Outcome outcome = measure(folder.path(),
                                  "[ $1 = selftest ] || exit 0\nfor json; do :; done\n"
                                  "case $json in *small*) k=permute,sort ;; *) k=router ;; esac\n"
                                  "printf '  \"without\": \"%s\",\\n' $k > \"$json\"");
  CHECK(outcome.code == 0);
  CHECK(has(outcome.output, "not measured: permute,sort,router\n"));
  CHECK(has(outcome.calls, "s --json " + (folder.path() / "out/selftest.json").string() + "\n"));
  // What the small one found is not asked again by the large one.
  CHECK(has(outcome.calls, "selftest --without permute,sort --patience 20s"));
  CHECK(has(outcome.calls, "s --patience 15s --without permute,sort,router\n"));
}

TEST_CASE("the script keeps what was measured, and goes on with it on demand") {
  const tests::TemporaryFolder folder;
  const std::string out = (folder.path() / "out").string();
  const std::string script =
      "for last; do :; done\ncase $1 in\nselftest) echo '  \"complete\": true,' > \"$last\" ;;\n"
      "run) touch '" +
      out + "/points.csv' ;;\nesac";
  CHECK(measure(folder.path(), script).code == 0);
  const Outcome refused = measure(folder.path(), script);
  CHECK(refused.code == 2);
  CHECK(refused.output == "measure.sh: " + out +
                              " holds points already: --resume goes on with them; else name "
                              "another\n");
  // A script that was killed may have left its program at work.
  const std::string at_work = "flock '" + out + "/.lock' sleep 3 & sleep 0.5";
  CHECK(std::system(at_work.c_str()) == 0);
  const Outcome busy = measure(folder.path(), script, "--resume --minutes 1");
  CHECK(busy.code == 2);
  CHECK(busy.output ==
        "measure.sh: another one is at work in " + out + ": wait for it, or end it\n");
  CHECK(std::system("sleep 3") == 0);

  fs::remove(folder.path() / "calls");
  const Outcome resumed = measure(folder.path(), script, "--resume --minutes 1");
  CHECK(resumed.code == 0);
  CHECK(has(resumed.output, "selftest-small: made before\n"));
  CHECK(has(resumed.output, "selftest: made before\n"));
  CHECK_FALSE(has(resumed.calls, "selftest"));
  CHECK(has(resumed.calls, " --patience 15s --resume\n"));
}

TEST_CASE("a memory checker that cannot start is not run, and no failure") {
  const auto with_checker = [](const std::string& checker) {
    const tests::TemporaryFolder folder;
    const fs::path file = folder.path() / "compute-sanitizer";
    std::ofstream(file) << "#!/bin/sh\n" << checker << "\n";
    fs::permissions(file, fs::perms::owner_all);
    const std::string path = std::string(std::getenv("PATH"));
    setenv("PATH", (folder.path().string() + ":" + path).c_str(), 1);
    const Outcome outcome = measure(folder.path(), "");
    setenv("PATH", path.c_str(), 1);
    return outcome;
  };
  const Outcome broken = with_checker("exit 127");
  CHECK(broken.code == 0);
  CHECK(has(broken.output, "checker: not run, compute-sanitizer does not start\n"));
  const Outcome refused =
      with_checker("[ $1 = --version ] || { echo 'Error: no device'; exit 255; }");
  CHECK(refused.code == 0);
  CHECK(has(refused.output, "checker: not run to its end: Error: no device\n"));
  const Outcome found = with_checker("[ $1 = --version ] || exit 9");
  CHECK(found.code == 1);
  CHECK(has(found.output, "checker: ended with 9\n"));
  // The checks themselves failed under it.
  const Outcome failed = with_checker("[ $1 = --version ] || { echo 'ERROR SUMMARY: 0'; exit 1; }");
  CHECK(failed.code == 1);
  CHECK(has(failed.output, "; failed: checker\n"));
  CHECK(with_checker("exit 0").code == 0);
}

TEST_CASE("an interrupted script takes its program along") {
  const tests::TemporaryFolder folder;
  const fs::path file = program(folder.path(), "[ $1 = info ] || exec sleep 31.4159");
  const std::string command = "timeout -s INT 2 validation/cuda/measure.sh --program '" +
                              file.string() + "' --plan p.csv --minutes 1 '" +
                              (folder.path() / "out").string() + "' > '" +
                              (folder.path() / "output").string() + "' 2>&1";
  std::system(command.c_str());
  CHECK(has(read(folder.path() / "output"), "measure.sh: interrupted: --resume goes on\n"));
  // Nobody holds the lock any more.
  const std::string lock = (folder.path() / "out" / ".lock").string();
  CHECK(std::system(("flock -n '" + lock + "' true").c_str()) == 0);
}
