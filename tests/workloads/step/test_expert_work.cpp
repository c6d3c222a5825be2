// What the experts of a rank cost, by their rows: a kernel takes 1 us and 1 ps a byte.
#include <doctest/doctest.h>

#include "tests/workloads/step/hand_scenario.h"
#include "workloads/step/expert_work.h"

using namespace moesim;
using namespace moesim::workloads;
using namespace moesim::testing;
using Rows = std::vector<std::int64_t>;

TEST_CASE("a rank's experts cost what the kernel costs, whichever of them has which rows") {
  const hardware::Kernels kernels(hand_device(),
                                  {.gemm = "roofline", .moe = "roofline", .attention = "roofline"});
  const ModelSpec model = hand_model();
  const LayerPricing pricing{.kernels = kernels, .model = model, .precision = {}};
  const MoeFfn narrow{.experts = 16, .top_k = 2, .inter = 64, .router = {}};
  const MoeFfn wide{.experts = 16, .top_k = 2, .inter = 128, .router = {}};
  ExpertPricer pricer(pricing, false, 1);
  const auto by_kernel = [&](const MoeFfn& moe, const Rows& rows, std::int64_t tokens) {
    return kernels
        .moe({.tokens = tokens,
              .hidden = model.hidden,
              .inter = moe.inter,
              .top_k = moe.top_k,
              .experts = moe.experts,
              .rows = rows,
              .precision = pricing.precision.experts,
              .gated = moe.gated,
              .routed = true})
        .time;
  };
  // Of few and of many experts, of counts that fill 16 bits and of those that do not fit, of none
  // without rows and of some: each again from memory. 1 and 65,536 + 1 share their low bits, and so
  // do {1, 0} and {0, 1} as sets.
  for (int again = 0; again < 2; ++again) {
    for (const Rows& rows : {Rows{1}, Rows{65'537}, Rows{65'535, 1}, Rows{1, 0}, Rows{0, 1},
                             Rows{3, 1, 2}, Rows{2, 3, 1, 0}, Rows{1, 2, 3, 4}, Rows{4, 3, 2, 1},
                             Rows{1, 2, 3, 4, 5}, Rows{5, 1, 4, 2, 3}}) {
      for (const std::int64_t tokens : {4, 9}) {
        CAPTURE(rows.size());
        CAPTURE(rows.front());
        CHECK(pricer.price(narrow, rows, tokens).time == by_kernel(narrow, rows, tokens));
        CHECK(pricer.price(wide, rows, tokens).time == by_kernel(wide, rows, tokens));
      }
    }
    CHECK(pricer.price(narrow, Rows{0, 0}, 0).time == sim::Duration{});
  }
}

TEST_CASE("prices stay where they are while more are asked for") {
  // 2,000 questions: the table grows several times. Who has a price keeps it.
  const hardware::Kernels kernels(hand_device(),
                                  {.gemm = "roofline", .moe = "roofline", .attention = "roofline"});
  const ModelSpec model = hand_model();
  const LayerPricing pricing{.kernels = kernels, .model = model, .precision = {}};
  const MoeFfn moe{.experts = 16, .top_k = 2, .inter = 64, .router = {}};
  ExpertPricer pricer(pricing, true, 1);
  std::vector<const Work*> prices;
  std::vector<sim::Duration> times;
  for (std::int64_t i = 0; i < 2000; ++i) {
    prices.push_back(&pricer.price(moe, Rows{i % 50, i / 50}, i % 3));
    times.push_back(prices.back()->time);
  }
  for (std::int64_t i = 0; i < 2000; ++i) {
    CAPTURE(i);
    const Work& again = pricer.price(moe, Rows{i % 50, i / 50}, i % 3);
    CHECK(&again == prices[static_cast<std::size_t>(i)]);
    CHECK(again.time == times[static_cast<std::size_t>(i)]);
    ExpertPricer fresh(pricing, true, 1);
    if (i % 100 == 7) CHECK(fresh.price(moe, Rows{i % 50, i / 50}, i % 3).time == again.time);
  }
}
