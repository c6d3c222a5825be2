#include "tools/study/plan/steady_state.h"

#include <doctest/doctest.h>

#include <vector>

using namespace moesim::tools;
using doctest::Approx;

namespace {

// 1 ms and 10 us a sequence, in milliseconds.
double line(double batch) {
  return 1 + 0.01 * batch;
}

}  // namespace

TEST_CASE("the largest batch within a time, of a cost that is a line") {
  // 1 + 0.01 b = 3: b = 200.
  const LargestBatch found = largest_batch(1000, 3, line);
  CHECK(found.batch == Approx(200));
  CHECK(found.time == Approx(3));
  // All of them meet 20.
  CHECK(largest_batch(1000, 20, line).batch == 1000);
  CHECK(largest_batch(1000.7, 11, line).batch == 1000);
  CHECK(largest_batch(1000, 11, line).time == Approx(11));
  // Not even one meets 1: one takes 1.01.
  const LargestBatch none = largest_batch(1000, 1, line);
  CHECK(none.batch == 0);
  CHECK(none.least_time == Approx(1.01));
  CHECK(largest_batch(0.5, 3, line).batch == 0);
}

TEST_CASE("a batch is found with few questions, whatever the curve") {
  // 1 + b^2 / 10,000 = 2: b = 100. Between two ends that differ by half at most the line is off by
  // less than 5 %.
  int asked = 0;
  const LargestBatch found = largest_batch(4096, 2, [&](double b) {
    ++asked;
    return 1 + b * b / 10000;
  });
  CHECK(found.batch == Approx(100).epsilon(0.05));
  CHECK(asked <= 9);
  // Two sequences: one meets, two do not.
  CHECK(largest_batch(2, 1.5, [](double b) { return b; }).batch == Approx(1.5));
}

TEST_CASE("the fullest of several ranks has more than the mean of what comes at random") {
  CHECK(fullest_of(1, 1) == Approx(1));
  // Two to two ranks: P(N > 0) + P(N > 2) + P(N > 4) + ... of a Poisson number of mean 2:
  // 0.8647 + 0.3233 + 0.0527 + 0.0045 + 0.0002.
  CHECK(fullest_of(1, 2) == Approx(1.2454).epsilon(1e-3));
  // Few: as good as whether there is one, 1 - exp(-8 x 0.001).
  CHECK(fullest_of(0.001, 8) == Approx(0.00797).epsilon(2e-3));
  CHECK(fullest_of(0, 8) == 0);
  // Very many.
  CHECK(fullest_of(1000, 8) == 1000.5);
}

TEST_CASE("a dp rank that sits out passes decodes in fewer of them") {
  CHECK(decoding_part(0, 8) == Approx(1));
  CHECK(decoding_part(2, 1) == Approx(1));  // all of its ranks join together
  // Of very many: p = exp(-ended p).
  CHECK(decoding_part(1, 1000) == Approx(0.567143).epsilon(1e-5));
  CHECK(decoding_part(2, 1000) == Approx(0.426303).epsilon(1e-5));
  // Of two: q = 1 - exp(-0.75078) = 0.52800, 1 - q (1 - q) = 0.75078.
  CHECK(decoding_part(1, 2) == Approx(0.75078).epsilon(1e-4));
}

TEST_CASE("prompts that came during a step are read until a pass during which none came") {
  using Decodes = PromptPasses::Decodes;
  // A pass takes 0.1 s whatever it reads. After a step of 20 ms at 5 prompts a second one or more
  // came with 1 - exp(-0.1) = 0.0951626; a pass is followed by another with 1 - exp(-0.5), so that
  // there are exp(0.5) = 1.648721 of them: 0.156896 in the mean, in 15.69 ms.
  const PromptPasses even{.one_s = 0.1, .all_s = 0.1, .most = 8};
  CHECK(even.after(0.02, 5).passes == Approx(0.156896).epsilon(1e-4));
  CHECK(even.after(0.02, 5).time_s == Approx(0.0156896).epsilon(1e-4));
  CHECK(even.after(0.02, 0).time_s == 0);
  // Two passes of half as long for a prompt are as long.
  const PromptPasses halves{.one_s = 0.05, .all_s = 0.05, .most = 8, .passes = 2};
  CHECK(halves.after(0.02, 5).time_s == Approx(0.0156896).epsilon(1e-4));
  CHECK(halves.after(0.02, 5).passes == Approx(2 * 0.156896).epsilon(1e-4));
  // With room for one, the same passes where hardly two come at once, and no end where 20 x 0.1 s
  // of them come a second.
  const PromptPasses single{.one_s = 0.1, .all_s = 0.1, .most = 1};
  CHECK(single.after(1e-6, 0.01).time_s == Approx(1e-6 * 0.01 * 0.1).epsilon(2e-3));
  CHECK(single.after(0.02, 20).time_s == PromptPasses::kForEver);
  // 10 tokens for each prompt on one rank: 1 / (10 t) prompts a second, at which t comes out.
  const double t = even.token_s(0.02, 0.1, Decodes::Between);
  CHECK(t == Approx(0.02 + even.after(0.02, 0.1 / t).time_s).epsilon(1e-6));
  CHECK(t > 0.02);
  // Passes of prompts that bring a token, too, are so much of all steps.
  const double beside = even.token_s(0.02, 0.1, Decodes::Beside);
  const auto reading = even.after(0.02, 0.1 / beside);
  CHECK(beside == Approx((0.02 + reading.time_s) / (1 + reading.passes)).epsilon(1e-6));
  CHECK(beside < t);
  // Longer passes of more prompts, 0.1 s for one, 0.8 for eight: 1.0508 = 0.1 / 0.0951626 are read
  // first, in 0.10508 s.
  const PromptPasses growing{.one_s = 0.1, .all_s = 0.8, .most = 8};
  CHECK(growing.after(0.02, 5).time_s > even.after(0.02, 5).time_s * 1.05);
}

TEST_CASE("room for sequences is not full in the mean") {
  // 36 + 2.3263 x 6 = 49.958 of 49.958; all of it where half the time will do.
  CHECK(used_of(49.958, 0.99) == Approx(36 / 49.958).epsilon(1e-3));
  CHECK(used_of(10, 0.5) == Approx(1));
  CHECK(used_of(1e6, 0.99) == Approx(1).epsilon(3e-3));
}
