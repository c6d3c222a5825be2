#include <doctest/doctest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
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

struct Outcome {
  int code = -1;
  std::string text;  // both streams
};

// The stand-in (stand_in.cpp) with faults.
Outcome call(const std::string& faults, const std::string& arguments) {
  const std::string command =
      "MOESIM_FAULTS='" + faults + "' '" MOESIM_STAND_IN "' " + arguments + " 2>&1";
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
  // Seven checks of the router, four of the sort (numbers 10 to 13) and one of permute; a layer
  // begins with its router too, three of them. The lost GPU costs no other check.
  CHECK(has(outcome.text, " 15 FAILED:\n"));
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
  CHECK(report["failed"] == 15);
  const std::size_t steps = selftest_steps(SelftestSize::Emulated).size();
  CHECK(report["checks"].size() == steps);
  CHECK(report["passed"].get<std::size_t>() + report["skipped"].get<std::size_t>() + 15 == steps);
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
