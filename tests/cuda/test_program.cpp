#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/temporary_folder.h"
#include "validation/cuda/protocol/messages.h"
#include "validation/cuda/protocol/points.h"
#include "validation/cuda/protocol/selftest.h"

using namespace moesim;
using namespace moesim::validation::cuda;

namespace {

namespace fs = std::filesystem;

struct Outcome {
  int code = -1;
  std::string text;  // both streams
};

// The stand-in (stand_in.cpp) with faults.
Outcome call(const std::string& faults, const std::string& arguments,
             const std::string& before = "") {
  const std::string command =
      before + "MOESIM_FAULTS='" + faults + "' '" MOESIM_STAND_IN "' " + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Outcome outcome;
  std::array<char, 4096> part{};
  while (const std::size_t count = std::fread(part.data(), 1, part.size(), pipe)) {
    outcome.text.append(part.data(), count);
  }
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string read(const std::string& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

int count_of(const std::string& text, const std::string& part) {
  int count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size())
    ++count;
  return count;
}

PlanPoint stream_point(const std::string& op, int number, double bytes) {
  PlanPoint p;
  p.id = op + "-" + std::to_string(number);
  p.role = "fit";
  p.op = op;
  p.impl = "moesim";
  p.dtype = "bf16";
  p.bytes = bytes;
  p.cold = false;  // one set: the emulator is slow
  return p;
}

}  // namespace

TEST_CASE("a message is a line whatever its text, and a line of something else is none") {
  const Message message{"done", 17, "a\tb\nc\\n d"};
  const std::string line = message_line(message);
  CHECK(line == "done\t17\ta\\tb\\nc\\\\n d\n");
  const auto back = parse_message(line.substr(0, line.size() - 1));
  REQUIRE(back);
  CHECK(back->kind == "done");
  CHECK(back->step == 17);
  CHECK(back->text == message.text);
  for (const char* other : {"", "done", "done\t17", "done\tx\ty", "========= checker\t1\t2"}) {
    CHECK_FALSE(parse_message(other).has_value());
  }
  CHECK(split_fields(join_fields({"a", "", "b\nc"})) == std::vector<std::string>{"a", "", "b\nc"});
}

TEST_CASE("a selftest goes on behind kernels that hang, crash or lose the GPU, and names them") {
  const tests::TemporaryFolder folder;
  const std::string json = (folder.path() / "selftest.json").string();
  const Outcome outcome = call("hang:permute,crash:sort,lose:router",
                               "selftest --small --patience 5 --json '" + json + "'");
  CHECK(outcome.code == 1);
  CAPTURE(outcome.text);
  // Of seven checks of the router and four of the sort (numbers 10 to 13) two each, and the one of
  // permute; then none of them is asked again. A layer begins with its router: skipped, too. The
  // lost GPU costs no other check.
  CHECK(has(outcome.text, " 5 FAILED:\n"));
  CHECK(has(outcome.text, " router (check 5): router went wrong twice before\n"));
  CHECK(has(outcome.text, " sort (check 12): sort went wrong twice before\n"));
  CHECK(has(outcome.text,
            " layer moesim_mma 20x64x96 experts 8 top 2: router went wrong twice before\n"));
  CHECK(has(outcome.text,
            "not asked again: permute hung before\nnot asked again: router went wrong twice "
            "before\nnot asked again: sort went wrong twice before\n"));
  CHECK(
      has(outcome.text, "  router (check 3): router: an illegal memory access was encountered\n"));
  CHECK(has(outcome.text, "  sort (check 10): its process ended with 9\n"));
  CHECK(has(outcome.text,
            "  permute (check 14): no answer within 5 s: it hangs, and its process was "
            "ended\n"));
  CHECK(has(outcome.text, "ok "));
  const auto report = nlohmann::json::parse(read(json));
  CHECK(report["format"] == "moesim selftest 1");
  CHECK(report["device"]["device"] == "emulator");
  CHECK(report["failed"] == 5);
  CHECK(report["complete"] == true);
  CHECK(has(read(json), "\n  \"without\": \"permute,router,sort\",\n"));
  const std::size_t steps = selftest_steps(SelftestSize::Emulated).size();
  CHECK(report["checks"].size() == steps);
  CHECK(report["passed"].get<std::size_t>() + report["skipped"].get<std::size_t>() + 5 == steps);
  CHECK(report["checks"][14]["kernel"] == "permute");
  CHECK(report["checks"][14]["verdict"] == "failed");
  CHECK(report["checks"][0]["verdict"] == "ok");
  CHECK(report["checks"][15]["verdict"] == "ok");
}

TEST_CASE("a selftest in which nothing goes wrong says so") {
  const Outcome outcome = call("", "selftest --small");
  CHECK(outcome.code == 0);
  CHECK(has(outcome.text, " 0 FAILED\n"));
  // The same in one process.
  const Outcome alone = call("", "selftest --small --one-process");
  CHECK(alone.code == 0);
  CHECK(alone.text == outcome.text);
  CHECK(call("lose:swiglu", "selftest --small --one-process").code == 1);
}

TEST_CASE("workers that die before they do anything are not started for ever") {
  const Outcome outcome = call("start", "selftest --small");
  CHECK(outcome.code == 1);
  CHECK(has(outcome.text,
            " checks were not made: workers die before their first: its process ended "
            "with 75\n"));
  const tests::TemporaryFolder folder;
  const std::string plan = (folder.path() / "plan.csv").string();
  Plan one;
  one.points.resize(1);
  one.points[0].id = "copy-1";
  std::ofstream(plan) << plan_text(one);
  const Outcome run =
      call("start", "run --plan '" + plan + "' --out '" + (folder.path() / "o").string() + "'");
  CHECK(run.code == 1);
  CHECK(has(run.text, "nothing was measured: its process ended with 75\n"));
}

TEST_CASE("where there is no GPU the program says so and ends with 77") {
  for (const char* arguments : {"info", "selftest", "run --plan p --out o"}) {
    const Outcome outcome = call("none", arguments);
    CHECK(outcome.code == 77);
    CHECK(outcome.text == "SKIPPED: no GPU to measure on (none was found)\n");
  }
  CHECK(call("", "run --plan /nowhere --out o").code == 4);
}

TEST_CASE("a selftest's JSON is whole after each check, and its budget ends a hang") {
  const tests::TemporaryFolder folder;
  const std::string json = (folder.path() / "selftest.json").string();
  const Outcome outcome =
      call("hang:unpermute", "selftest --small --patience 60 --budget 3 --json '" + json + "'");
  CHECK(outcome.code == 1);
  const auto report = nlohmann::json::parse(read(json));
  CHECK(report["complete"] == false);
  CHECK(report["steps"] == selftest_steps(SelftestSize::Emulated).size());
  // Fifteen checks come before, the hanging one is lost, and one line stands for the rest.
  CHECK(report["checks"].size() == 17);
  CHECK(report["checks"][15]["reason"] == "no answer when the time was up");
  CHECK(report["checks"][16]["reason"] ==
        std::to_string(selftest_steps(SelftestSize::Emulated).size() - 16) +
            " checks were not made: the time was up");
  // It was not given all its patience: nothing is said of it.
  CHECK(report["without"] == "");

  // Ended from outside in the middle of the hang, with no time to say goodbye.
  const std::string other = (folder.path() / "killed.json").string();
  const std::string command = "MOESIM_FAULTS=hang:unpermute timeout -s KILL 3 '" MOESIM_STAND_IN
                              "' selftest --small --json '" +
                              other + "' > /dev/null 2>&1";
  CHECK(std::system(command.c_str()) != 0);
  const auto killed = nlohmann::json::parse(read(other));
  CHECK(killed["complete"] == false);
  CHECK(killed["checks"].size() == 15);
}

TEST_CASE("a kernel that gives wrong results is asked twice, and kernels are left out on demand") {
  const Outcome wrong = call("wrong:router", "selftest --small");
  CHECK(wrong.code == 1);
  CHECK(has(wrong.text, " 2 FAILED:\n"));
  CHECK(has(wrong.text, "not asked again: router went wrong twice before\n"));

  // One check of permute; the three layers need it.
  const Outcome without = call("", "selftest --small --without permute,swiglu");
  CHECK(without.code == 0);
  CHECK(has(without.text, "permute (check 14): permute is left out\n"));
  CHECK(has(without.text, "swiglu (check 16): swiglu is left out\n"));
  CHECK(has(without.text, "layer moesim_mma 20x64x96 experts 8 top 2: permute is left out\n"));
  CHECK(call("", "selftest --small --without ''").code == 0);

  const Outcome unknown = call("", "run --plan p --out o --without permut");
  CHECK(unknown.code == 2);
  CHECK(has(unknown.text,
            "moesim-gpu: --without: no kernel is called \"permut\"; there are router, sort, "
            "permute, unpermute, swiglu, quantise, grouped_gemm_mma, grouped_gemm_wgmma, "
            "grouped_gemm_fp8, cublaslt, cublas_grouped, attention_decode, attention_prefill, "
            "stream_copy, stream_read, empty_kernel, fill_normal, count_nan, transfer, layer_mma, "
            "layer_wgmma, "
            "layer_fp8, p2p, all_to_all, all_gather, reduce_scatter, all_reduce, memory\n"));
}

TEST_CASE("a GPU whose driver is too old is there, and fails") {
  const Outcome outcome = call("old_driver", "info");
  CHECK(outcome.code == 1);
  CHECK(outcome.text == "moesim-gpu: the GPU cannot be used: it is too old\n");
}

TEST_CASE("a run goes on behind points that hang or lose the GPU, and flags them") {
  const tests::TemporaryFolder folder;
  const std::string plan_file = (folder.path() / "plan.csv").string(),
                    out = (folder.path() / "points.csv").string();
  Plan plan;
  for (const char* op : {"copy", "empty", "read"}) {
    PlanPoint p;
    p.id = std::string(op) + "-1";
    p.role = "extra";
    p.op = op;
    p.impl = "moesim";
    p.dtype = "bf16";
    p.bytes = 3200;
    p.cold = false;
    plan.points.push_back(p);
  }
  std::ofstream(plan_file) << plan_text(plan);
  const std::string arguments =
      "run --plan '" + plan_file + "' --out '" + out + "' --patience 5 --budget 100s";
  CHECK(call("", arguments).code == 0);
  const std::string whole = read(out);
  // A header, its columns, and each point twice.
  CHECK(has(whole, "# format: moesim points 1\n"));
  CHECK(has(whole, "# device: emulator\n"));

  const Outcome faulty = call("crash:stream_copy,lose:stream_read", arguments);
  CHECK(faulty.code == 0);
  // Each fails in both passes: once is the same point.
  CHECK(has(faulty.text, "6 points measured, 6 of them flagged, 0 skipped; 0 left out\n"));
  const std::string text = read(out);
  CHECK(has(text, "failed: its process ended with 9"));
  CHECK(has(text, "failed: stream_read: an illegal memory access was encountered"));
  CHECK(std::count(text.begin(), text.end(), '\n') == std::count(whole.begin(), whole.end(), '\n'));
  // Those that went well are as they were: the emulator's times are always the same.
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!has(line, "failed: ")) CHECK(has(whole, line + "\n"));
  }
}

TEST_CASE("a run with kernels that hang ends in time, and has measured all the rest") {
  const tests::TemporaryFolder folder;
  const std::string plan_file = (folder.path() / "plan.csv").string(),
                    out = (folder.path() / "points.csv").string();
  Plan plan;
  for (int i = 0; i < 12; ++i) {
    plan.points.push_back(stream_point(i < 6 ? "copy" : "read", i, 3200));
  }
  std::ofstream(plan_file) << plan_text(plan);
  const auto start = std::chrono::steady_clock::now();
  const Outcome outcome = call("hang:stream_copy", "run --plan '" + plan_file + "' --out '" + out +
                                                       "' --patience 2 --budget 100s");
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  CHECK(outcome.code == 0);
  // Six copies, twice: one hang of two seconds, eleven skipped. Twelve hangs were 24 s.
  CHECK(took.count() < 15);
  CHECK(has(outcome.text, "24 points measured, 13 of them flagged, 11 skipped; 0 left out\n"));
  CHECK(has(outcome.text, "not asked again: stream_copy hung before\n"));
  const std::string text = read(out);
  CHECK(count_of(text,
                 "failed: hung in stream_copy: no answer within 2 s: it hangs, and its process "
                 "was ended\"\n") == 1);
  CHECK(count_of(text, "skipped: stream_copy hung before\n") == 11);
  CHECK(count_of(text, ",no_graph\n") == 12);
}

TEST_CASE("a disk that is full ends a run with its reason, and the points until then are kept") {
  const tests::TemporaryFolder folder;
  const std::string plan_file = (folder.path() / "plan.csv").string(),
                    out = (folder.path() / "points.csv").string();
  Plan plan;
  for (int i = 0; i < 6; ++i) plan.points.push_back(stream_point("copy", i, 3200));
  std::ofstream(plan_file) << plan_text(plan);
  const std::string arguments = "run --plan '" + plan_file + "' --out '" + out + "'";
  // A file of this shell's has 1,024 bytes at most (two blocks of 512).
  const Outcome full = call("", arguments, "trap '' XFSZ; ulimit -f 2; ");
  CHECK(full.code == 1);
  CHECK(has(full.text, "moesim-gpu: " + out +
                           ".partial cannot be written: File too large: the points until here are "
                           "in it, and --resume goes on with them\n"));
  CHECK(fs::file_size(out + ".partial") == 1024);
  const Outcome rest = call("", arguments + " --resume");
  CHECK(rest.code == 0);
  CHECK(has(rest.text, " of 12 points in " + out + ".partial\n"));
  const std::string gone_on = read(out);
  CHECK(call("", arguments).code == 0);
  CHECK(read(out) == gone_on);
}

TEST_CASE("a run that was killed goes on where it was, and ends with the same points") {
  const tests::TemporaryFolder folder;
  const std::string plan_file = (folder.path() / "plan.csv").string(),
                    out = (folder.path() / "points.csv").string();
  Plan plan;
  for (int i = 0; i < 6; ++i) plan.points.push_back(stream_point("copy", i, 3200.0 * (i + 1)));
  std::ofstream(plan_file) << plan_text(plan);
  const std::string arguments = "run --plan '" + plan_file + "' --out '" + out + "' --budget 100s";
  CHECK(call("", arguments).code == 0);
  const std::string whole = read(out);
  std::filesystem::remove(out);

  // Twelve points of a tenth of a second; ended when three are there, whatever it is doing.
  const std::string command = "MOESIM_FAULTS=slow '" MOESIM_STAND_IN "' " + arguments +
                              " > /dev/null 2>&1 & run=$!; until [ \"$(grep -c '^copy-' '" + out +
                              ".partial' 2> /dev/null)\" -ge 3 ] 2> /dev/null || ! kill -0 $run 2> "
                              "/dev/null; do sleep 0.02; done; "
                              "kill -KILL $run; wait $run";
  CHECK(std::system(command.c_str()) != 0);
  CHECK_FALSE(std::filesystem::exists(out));
  const std::string part = read(out + ".partial");
  CHECK(part.size() < whole.size());
  CHECK(has(part, "# plan_hash: "));
  std::ofstream(out + ".partial", std::ios::app) << "copy-3,fit,co";  // a line that was cut

  const Outcome resumed = call("", arguments + " --resume");
  CHECK(resumed.code == 0);
  CHECK(has(resumed.text, " of 12 points in " + out + ".partial\n"));
  CHECK(has(resumed.text, "12 points measured, 12 of them flagged, 0 skipped; 0 left out\n"));
  CHECK(read(out) == whole);
  // All is there: nothing is measured again.
  const Outcome again = call("start", arguments + " --resume");
  CHECK(again.code == 0);
  CHECK(read(out) == whole);
  // With another seed the points are of other steps.
  const Outcome other = call("", arguments + " --resume --seed 2");
  CHECK(other.code == 4);
  CHECK(has(other.text, ": these are points of another plan or seed\n"));
}
