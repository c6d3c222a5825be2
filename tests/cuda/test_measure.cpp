#include <doctest/doctest.h>

#include <map>
#include <set>

#include "validation/cuda/emulation/machine.h"
#include "validation/cuda/protocol/checks.h"
#include "validation/cuda/protocol/measured_set.h"
#include "validation/cuda/protocol/run_plan.h"

using namespace moesim::validation::cuda;

namespace {

PlanPoint gemm(const std::string& impl, std::vector<int> loads, int n, int k) {
  PlanPoint p;
  p.id = impl;
  p.role = "fit";
  p.op = "grouped_gemm";
  p.impl = impl;
  p.n = n;
  p.k = k;
  p.loads = std::move(loads);
  p.bytes = 1e6;
  return p;
}

PlanPoint layer(const std::string& impl) {
  PlanPoint p;
  p.id = "layer-" + impl;
  p.op = "layer";
  p.impl = impl;
  p.tokens = 12;
  p.top_k = 2;
  p.experts = 8;
  p.hidden = 64;
  p.inter = 32;
  p.loads = {12, 0, 5, 1, 0, 3, 2, 1};
  p.bytes = 1e6;
  return p;
}

MeasureOptions small() {
  MeasureOptions options;
  options.most_sets = 2;
  return options;
}

// A machine whose kernels leave the last outputs alone, as a wrong mask would.
class Forgetful : public emulation::EmulatedMachine {
 public:
  void run(const Operation& operation) override {
    EmulatedMachine::run(operation);
    if (const auto* g = std::get_if<GroupedGemm>(&operation)) {
      const auto rows = static_cast<std::size_t>(g->args.offsets[g->args.groups]);
      set_bytes(g->args.out + (rows - 1) * static_cast<std::size_t>(g->args.n), 0xff, 16);
    }
  }
};

// A machine whose products come out doubled.
class Doubling : public emulation::EmulatedMachine {
 public:
  void run(const Operation& operation) override {
    EmulatedMachine::run(operation);
    if (const auto* g = std::get_if<GroupedGemm>(&operation)) {
      const int rows = g->args.offsets[g->args.groups];
      for (int i = 0; i < rows * g->args.n; ++i) {
        g->args.out[i] = to_bf16(2 * to_float(g->args.out[i]));
      }
    }
  }
};

}  // namespace

TEST_CASE("selections are dealt so that every expert gets its load and no token one twice") {
  const std::vector<int> loads{12, 0, 5, 1, 0, 3, 2, 1};  // 24 = 12 tokens x 2
  const std::vector<int> ids = deal_selections(loads, 12, 2);
  std::map<int, int> counts;
  for (std::size_t t = 0; t < 12; ++t) {
    CHECK(ids[2 * t] != ids[2 * t + 1]);
    ++counts[ids[2 * t]];
    ++counts[ids[2 * t + 1]];
  }
  for (int e = 0; e < 8; ++e) CHECK(counts[e] == loads[static_cast<std::size_t>(e)]);
}

TEST_CASE("every operation of a plan is measured, and agrees with its reference") {
  emulation::EmulatedMachine machine;
  std::vector<PlanPoint> points{gemm("moesim_mma", {20, 0, 3}, 40, 72),
                                gemm("moesim_wgmma", {20, 0, 3}, 40, 72),
                                gemm("moesim_fp8", {20, 0, 3}, 40, 72),
                                layer("moesim_mma"),
                                layer("moesim_wgmma"),
                                layer("moesim_fp8")};
  for (const char* op : {"router", "sort", "permute", "unpermute", "swiglu", "quantise"}) {
    PlanPoint part = layer("moesim");
    part.op = op;
    points.push_back(part);
  }
  for (const char* op : {"empty", "copy", "read", "h2d", "d2h"}) {
    PlanPoint p;
    p.op = op;
    p.bytes = 100'000;  // two sets are more than three times the emulator's L2
    points.push_back(p);
  }
  PlanPoint attention;
  attention.op = "attention_decode";
  attention.tokens = 2;
  attention.top_k = 4;
  attention.experts = 2;
  attention.k = 70;
  attention.bytes = 1e6;
  points.push_back(attention);
  attention.op = "attention_prefill";
  attention.n = 66;
  points.push_back(attention);
  for (const PlanPoint& p : points) {
    CAPTURE(p.op);
    CAPTURE(p.impl);
    const PointResult r = measure(machine, p, small());
    // The emulator times nothing, and says so; nothing else is amiss.
    CHECK(r.flags == std::vector<std::string>{"no_graph"});
    CHECK(r.repeats > 0);
    const bool compared = p.op == "grouped_gemm" || p.op == "layer" || p.op == "attention_decode" ||
                          p.op == "attention_prefill";
    CHECK(r.relative_error.has_value() == compared);
    if (compared) CHECK(*r.relative_error > 0);
  }
}

TEST_CASE("outputs that nobody wrote and outputs that are wrong are flagged") {
  Forgetful forgetful;
  const PlanPoint p = gemm("moesim_mma", {20, 0, 3}, 40, 72);
  CHECK(measure(forgetful, p, small()).flags.at(0) == "unwritten");
  Doubling doubling;
  CHECK(measure(doubling, p, small()).flags.at(0) == "wrong");
  CHECK(*measure(doubling, p, small()).relative_error == doctest::Approx(1).epsilon(0.01));
  CHECK(measure(doubling, layer("moesim_mma"), small()).flags.at(0) == "wrong");
}

TEST_CASE("a point that no kernel takes is flagged with the reason, and is no crash") {
  emulation::EmulatedMachine machine;
  const auto flag = [&](const PlanPoint& p) { return measure(machine, p, small()).flags.at(0); };
  CHECK(flag(gemm("moesim_mma", {1}, 12, 64)) == "failed: n and k are not multiples of 8");
  CHECK(flag(gemm("moesim_mma", {0, 0}, 16, 64)) == "failed: there are no rows");
  CHECK(flag(gemm("cutlass", {1}, 16, 64)) == "failed: no implementation is called cutlass");
  CHECK(flag(gemm("cublaslt", {1}, 16, 64)) == "skipped: the emulator has no libraries");
  PlanPoint wrong = layer("moesim_mma");
  wrong.loads[0] = 13;
  CHECK(flag(wrong) == "failed: the loads are not those of tokens x top_k selections");
  wrong = layer("moesim_mma");
  wrong.top_k = 33;
  CHECK(flag(wrong) == "failed: tokens, experts or top_k out of range");
  wrong = {};
  wrong.op = "softmax";
  CHECK(flag(wrong) == "failed: no operation is called softmax");
  wrong.op = "all_to_all";
  wrong.bytes = 64;
  CHECK(flag(wrong) == "skipped: the emulator is one machine");
  wrong.op = "memory";
  wrong.detail = "context";
  CHECK(flag(wrong) == "skipped: this machine cannot tell context");
}

TEST_CASE("a plan is run twice in different orders, and the budget ends it in the second pass") {
  emulation::EmulatedMachine machine;
  Plan plan;
  for (int i = 0; i < 8; ++i) {
    PlanPoint p;
    p.id = "copy-" + std::to_string(i);
    p.op = "copy";
    p.bytes = 320;
    plan.points.push_back(p);
  }
  RunOptions options;
  options.measure = small();
  double now = 0;
  options.clock = [&] { return now; };
  std::vector<std::string> order;
  const auto run = [&](double each) {
    now = 0;
    order.clear();
    RunListener listener;
    listener.begin = [&](std::int64_t step, const PlanPoint& p) {
      const std::vector<RunStep> steps = run_steps(plan.points.size(), options.seed);
      CHECK(plan.points[steps[static_cast<std::size_t>(step)].point].id == p.id);
    };
    listener.done = [&](std::int64_t, const PlanPoint& p, const PointResult&) {
      now += each;
      order.push_back(p.id);
      return true;
    };
    return run_plan(machine, plan, options, listener);
  };
  options.budget_seconds = 100;
  const RunSummary whole = run(1);
  CHECK(whole.complete());
  CHECK(whole.measured == 16);
  CHECK(std::set<std::string>(order.begin(), order.begin() + 8).size() == 8);
  CHECK(std::vector(order.begin(), order.begin() + 8) !=
        std::vector(order.begin() + 8, order.end()));
  // The results are a table that begins with where they are from.
  const std::string text = points_header(points_metadata(machine, plan, options.seed));
  CHECK(text.rfind("# format: moesim points 1\n# source: measured here by moesim-gpu\n", 0) == 0);
  CHECK(text.find("\n# plan_hash: " + std::to_string(text_hash(plan_text(plan))) + "\n") !=
        std::string::npos);

  // The same run from its fourteenth step on: what is left of the second pass, in the same order.
  const std::vector<std::string> last(order.end() - 3, order.end());
  options.from = 13;
  CHECK(run(1).measured == 3);
  CHECK(order == last);
  options.from = 0;

  // 12 points fit into the budget: all of the first pass, half of the second.
  options.budget_seconds = 12;
  const RunSummary cut = run(1);
  CHECK_FALSE(cut.complete());
  CHECK(cut.measured == 12);
  CHECK(cut.left_out == 4);
  CHECK(std::set<std::string>(order.begin(), order.begin() + 8).size() == 8);
}

TEST_CASE("a near-tie of the router may go to either, which is weighted by its own score") {
  // Scores 0.5 and 0.6; the bias of 0.1 makes the choices equal but for a float's rounding.
  const RouterRule rule{2, 1, true, 1, 1, false, 1};
  const std::vector<float> logits{0, 0.405465108f}, bias{0.1f, 0};
  const Chosen expected = reference_router(rule, logits, bias);
  CHECK(expected.choice[0] == doctest::Approx(expected.choice[1]).epsilon(1e-6));
  const auto compare = [&](int id, float weight, bool ties) {
    RelativeError error;
    const int wrong =
        compare_routing(rule, expected, std::vector{id}, std::vector{weight}, ties, error);
    return std::pair(wrong, error.value());
  };
  for (const auto& [id, weight] : {std::pair{0, 0.5f}, std::pair{1, 0.6f}}) {
    const auto [wrong, error] = compare(id, weight, false);
    CHECK(wrong == 0);
    CHECK(error < 1e-6);
  }
  // The score of the other one is wrong: 0.6 for 0.5 is off by a fifth.
  CHECK(compare(0, 0.6f, false).second == doctest::Approx(0.2).epsilon(1e-5));
  // Where ties are asked for they go to the lower expert; and an expert there is not is wrong.
  CHECK(compare(1 - expected.ids[0], 0.5f, true).first == 1);
  CHECK(compare(2, 0.5f, false).first == 1);
  CHECK(compare(-1, 0.5f, false).first == 1);
  // One expert twice is no choice of two.
  const RouterRule both{2, 2, true, 1, 1, false, 1};
  RelativeError error;
  CHECK(compare_routing(both, reference_router(both, logits, bias), std::vector{0, 0},
                        std::vector{0.5f, 0.5f}, false, error) == 1);
}

TEST_CASE("a cold point whose sets are under three times the L2 is flagged") {
  emulation::EmulatedMachine machine;  // an L2 of 65,536 bytes: 196,608 are wanted
  PlanPoint p;
  p.op = "copy";
  p.bytes = 32768;  // six sets
  MeasureOptions options;
  options.most_sets = 5;
  using Flags = std::vector<std::string>;
  CHECK(measure(machine, p, options).flags == Flags{"no_graph", "not_cold"});
  options.most_sets = 6;
  CHECK(measure(machine, p, options).flags == Flags{"no_graph"});
  options.most_sets = 5;
  p.cold = false;
  CHECK(measure(machine, p, options).flags == Flags{"no_graph"});
  p.cold = true;
  p.op = "empty";  // reads nothing
  p.bytes = 0;
  CHECK(measure(machine, p, options).flags == Flags{"no_graph"});
}

namespace {

class Hot : public emulation::EmulatedMachine {
 public:
  explicit Hot(std::uint64_t reasons) : reasons_(reasons) {}
  Health health() override {
    Health health;
    health.throttle = reasons_;
    return health;
  }

 private:
  std::uint64_t reasons_;
};

}  // namespace

TEST_CASE("a card that slowed down is flagged, and the power cap by a name of its own") {
  PlanPoint p;
  p.op = "copy";
  p.bytes = 320;
  p.cold = false;
  const auto flags = [&](std::uint64_t reasons) {
    Hot machine(reasons);
    return measure(machine, p, {}).flags;
  };
  using Flags = std::vector<std::string>;
  CHECK(flags(0) == Flags{"no_graph"});
  CHECK(flags(0x1) == Flags{"no_graph"});  // idle
  CHECK(flags(0x4) == Flags{"no_graph", "power_cap"});
  for (const std::uint64_t reason : {0x8U, 0x20U, 0x40U, 0x80U}) {
    CHECK(flags(reason) == Flags{"no_graph", "throttled"});
  }
  CHECK(flags(0x44) == Flags{"no_graph", "throttled", "power_cap"});
}

TEST_CASE("a cache is cut into parts where caches alone do not keep the multiprocessors busy") {
  // 99 caches are three quarters of 132 multiprocessors: a block each. Of 98, twice 132 / 98.
  CHECK(parts_of_cache(132, 512, 4096) == 1);
  CHECK(parts_of_cache(132, 99, 4096) == 1);
  CHECK(parts_of_cache(132, 98, 4096) == 2);
  CHECK(parts_of_cache(132, 8, 32768) == 33);
  // No part has less than 64 keys: 512 / 64, and one of all where there are fewer.
  CHECK(parts_of_cache(132, 8, 512) == 8);
  CHECK(parts_of_cache(132, 1, 63) == 1);
}
