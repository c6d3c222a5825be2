#include "workloads/routing/laws/gating.h"

#include <doctest/doctest.h>

using namespace moesim::workloads;
using Ids = std::vector<ExpertId>;
constexpr ExpertId no = kMissingExpert;

TEST_CASE("a token takes its best experts, with the bias in the choice") {
  const std::vector<float> scores{0.1f, 0.4f, 0.3f, 0.2f};
  CHECK(choose_top_k({1, 4, scores, {}}, 2).ids == Ids{1, 2});
  const std::vector<float> bias{0.5f, 0, 0, 0};
  CHECK(choose_top_k({1, 4, scores, bias}, 2).ids == Ids{0, 1});
  const std::vector<float> equal{1, 1, 1, 1};
  CHECK(choose_top_k({1, 4, equal, {}}, 3).ids == Ids{0, 1, 2});
}

TEST_CASE("groups are chosen by their two best experts") {
  // Groups 0 1 | 2 3 | 4 5 have 0.9 + 0 = 0.9, 0.5 + 0.5 = 1.0, 0.3 + 0.3: the second wins.
  const std::vector<float> scores{0.9f, 0, 0.5f, 0.5f, 0.3f, 0.3f};
  CHECK(choose_in_groups({1, 6, scores, {}}, 2, 3, 1).ids == Ids{2, 3});
  CHECK(choose_in_groups({1, 6, scores, {}}, 2, 3, 2).ids == Ids{0, 2});
}

TEST_CASE("experts choose as many tokens each") {
  // 4 tokens, 2 experts, top-1: each expert takes 2. Expert 0 likes 0 1, expert 1 likes 0 3.
  const std::vector<float> scores{0.9f, 0.9f, 0.8f, 0.1f, 0.1f, 0.2f, 0.2f, 0.8f};
  const auto routing = choose_by_experts({4, 2, scores, {}}, 1, 2);
  CHECK(routing.ids == Ids{0, 1, 0, no, no, no, 1, no});
  CHECK(expert_counts(routing) == std::vector<std::uint32_t>{2, 2});
}

TEST_CASE("capacity drops later tokens and later choices") {
  // 4 tokens, top-2 of 4, all want 0 first and 1 second: capacity 1.0 x 4 x 2 / 4 = 2 each.
  LayerRouting routing{4, 2, 4, {0, 1, 0, 1, 0, 1, 0, 1}};
  CHECK(drop_over_capacity(routing, 1) == 4);
  CHECK(routing.ids == Ids{0, 1, 0, 1, no, no, no, no});
  // A first choice of a later token comes before a second choice of an earlier one.
  routing = {2, 2, 2, {1, 0, 0, 1}};
  CHECK(drop_over_capacity(routing, 0.5) == 2);
  CHECK(routing.ids == Ids{1, no, 0, no});
}

TEST_CASE("the controller moves the bias against the load") {
  std::vector<float> bias{0, 0, 0};
  step_bias(bias, std::vector<std::uint32_t>{9, 6, 3}, 0.5f);  // mean 6
  CHECK(bias == std::vector<float>{-0.5f, 0, 0.5f});
}
