#include <doctest/doctest.h>

#include <algorithm>

#include "validation/cuda/protocol/command_line.h"
#include "validation/cuda/protocol/points.h"
#include "validation/cuda/protocol/statistics.h"

using namespace moesim::validation::cuda;

namespace {

PlanPoint example() {
  PlanPoint p;
  p.id = "grouped-001";
  p.role = "fit";
  p.op = "grouped_gemm";
  p.impl = "moesim_mma";
  p.dtype = "bf16";
  p.detail = "Mixtral, \"tp2\"";
  p.experts = 4;
  p.n = 4096;
  p.k = 7168;
  p.loads = {16, 16, 3, 0};
  p.bytes = 1.5e9;
  p.flops = 2e12;
  return p;
}

const std::string kHeader =
    "id,role,op,impl,dtype,detail,tokens,top_k,experts,n,k,hidden,inter,loads,cold,bytes,flops\n";

std::string complaint(const std::string& text) {
  try {
    parse_plan(text, "plan.csv");
  } catch (const PlanError& error) {
    return error.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("loads are written by runs and read back") {
  const std::vector<int> loads{16, 16, 3, 0, 0, 0};
  CHECK(loads_text(loads) == "16x2;3;0x3");
  CHECK(parse_loads("16x2;3;0x3") == loads);
  CHECK(parse_loads("").empty());
  for (const char* wrong : {"16x", "x2", "-1", "1;;2", "3x0", "1x513", "2000000000"}) {
    CAPTURE(wrong);
    CHECK_THROWS_WITH_AS(parse_loads(wrong),
                         "expected loads as 16x8;3;0x119, of at most 512 groups", PlanError);
  }
}

TEST_CASE("a plan reads back as it was written") {
  const Plan plan{{{"format", "moesim plan 1"}, {"seed", "1"}}, {example()}};
  const Plan back = parse_plan(plan_text(plan), "plan.csv");
  CHECK(back.metadata == plan.metadata);
  REQUIRE(back.points.size() == 1);
  CHECK(plan_text(back) == plan_text(plan));
  CHECK(back.points[0].detail == "Mixtral, \"tp2\"");
  CHECK(back.points[0].rows() == 35);
  CHECK(back.points[0].active() == 3);
}

TEST_CASE("a damaged plan is refused with its place") {
  CHECK(complaint("") == "plan.csv: no header line; is this a plan?");
  CHECK(complaint("id,role\n") == "plan.csv:1: the column op is missing");
  CHECK(complaint(kHeader + "a,fit\n") == "plan.csv:2: 2 values, but 17 columns");
  const std::string row = "a,fit,gemm,moesim_mma,bf16,,0,0,1,8,8,0,0,1,1,10,10\n";
  CHECK(complaint(kHeader + row) == "none");
  CHECK(complaint(kHeader + row + "# a comment\n" + row) ==
        "plan.csv:4: the id a is that of plan.csv:2");
  CHECK(complaint(kHeader + "a,fit,gemm,moesim_mma,bf16,,0,0,1,-8,8,0,0,1,1,10,10\n") ==
        "plan.csv:2: n: expected a whole number from 0 to 2147483647, not \"-8\"");
  CHECK(complaint(kHeader + "a,fit,gemm,moesim_mma,bf16,,0,0,1,8,8,0,0,y,1,10,10\n") ==
        "plan.csv:2: loads: expected loads as 16x8;3;0x119, of at most 512 groups, not \"y\"");
  CHECK(complaint(kHeader + "a,fit,gemm,moesim_mma,bf16,,0,0,1,8,8,0,0,1,2,10,10\n") ==
        "plan.csv:2: cold: expected 0 or 1, not \"2\"");
  CHECK(complaint(kHeader + "a,fit,gemm,moesim_mma,bf16,,0,0,1,8,8,0,0,1,1,nan,10\n") ==
        "plan.csv:2: bytes: expected a number from 0 on, not \"nan\"");
}

TEST_CASE("a point has the plan's columns and then the results") {
  PointResult r;
  r.pass = 2;
  r.p10_us = 10;
  r.p50_us = 10.12345;
  r.p90_us = 11;
  r.repeats = 30;
  r.relative_error = 0.001;
  r.health.sm_mhz = 1755;
  r.health.throttle = 4;
  r.flags = {"noisy", "no_graph"};
  const std::string header = points_header({{"device", "X"}});
  CHECK(header.rfind("# device: X\nid,", 0) == 0);
  CHECK(point_line(example(), r) ==
        "grouped-001,fit,grouped_gemm,moesim_mma,bf16,\"Mixtral, \"\"tp2\"\"\",0,0,4,4096,7168,0,0,"
        "16x2;3;0,1,1.5e+09,2e+12,2,10,10.1235,11,30,0.001,,1755,,,,0x4,noisy;no_graph\n");
}

TEST_CASE("a percentile lies between its neighbours in proportion") {
  // Of 1 2 3 4 5: place 0.9 * 4 = 3.6, so 4 + 0.6 * (5 - 4).
  CHECK(percentile({5, 1, 4, 2, 3}, 0.9) == doctest::Approx(4.6));
  CHECK(percentile({5, 1, 4, 2, 3}, 0.5) == 3);
  CHECK(percentile({7}, 0.1) == 7);
}

TEST_CASE("a shuffle has everything once, and its seed decides the order") {
  std::vector<std::size_t> order = shuffled(100, 1);
  CHECK(order == shuffled(100, 1));
  CHECK(order != shuffled(100, 2));
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < 100; ++i) CHECK(order[i] == i);
}

TEST_CASE("the command line says what it takes") {
  const CommandLine line =
      parse_command_line({"run", "--plan", "p", "--out", "o", "--budget", "4m", "--seed", "9"});
  CHECK(line.budget_seconds == 240);
  CHECK(line.seed == 9);
  CHECK(parse_command_line({"run", "--help"}).command == "help");
  const auto wrong = [](const std::vector<std::string>& arguments) {
    try {
      parse_command_line(arguments);
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string("none");
  };
  CHECK(wrong({}) == "what to do? info, selftest or run");
  CHECK(wrong({"measure"}) == "unknown command \"measure\": expected info, selftest or run");
  CHECK(wrong({"info", "--seed", "1"}) == "unknown option \"--seed\" of info");
  CHECK(wrong({"run", "--plan"}) == "--plan: a value is missing");
  CHECK(wrong({"run", "--plan", "p"}) == "run needs --plan and --out");
  CHECK(wrong({"run", "--budget", "soon"}) ==
        "--budget: expected a time such as 240s or 4m, not \"soon\"");
  CHECK(wrong({"selftest", "--seed", "x"}) == "--seed: expected a whole number, not \"x\"");
}
