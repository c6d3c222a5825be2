// Which batches are padded to a graph's size.
#include "workloads/serving/schedule/graphs.h"

#include <doctest/doctest.h>

using namespace moesim::workloads::serving;

TEST_CASE("a batch goes up to the next size, and beyond the last one without a graph") {
  const GraphRules rules{.sizes = {1, 2, 4, 8}};
  const auto padded = [&](std::int64_t decodes) {
    std::vector<BatchPlan> plans{{.decodes = decodes}};
    pad_to_graphs(rules, plans);
    return std::pair(plans[0].graph, plans[0].padding);
  };
  CHECK(padded(4) == std::pair(true, std::int64_t{0}));
  CHECK(padded(5) == std::pair(true, std::int64_t{3}));
  CHECK(padded(8) == std::pair(true, std::int64_t{0}));
  CHECK(padded(9) == std::pair(false, std::int64_t{0}));
}

TEST_CASE("one rank without a graph makes all go without") {
  const GraphRules decode_only{.sizes = {4}};
  const GraphRules all{.sizes = {4}, .mixed = true};
  std::vector<BatchPlan> plans{{.decodes = 2}, {.chunks = {{.tokens = 3}}}};
  pad_to_graphs(decode_only, plans);
  CHECK_FALSE(plans[0].graph);
  CHECK(plans[0].padding == 0);
  pad_to_graphs(all, plans);
  CHECK(plans[0].graph);
  CHECK(plans[0].padding == 2);
  CHECK(plans[1].padding == 1);
  plans = {{.decodes = 2}, {.dummy = true}};  // a dummy has a token
  pad_to_graphs(decode_only, plans);
  CHECK(plans[1].padding == 3);
}

TEST_CASE("sizes that are not padded to need their own number of tokens") {
  const GraphRules rules{.sizes = {4}, .pad = false};
  std::vector<BatchPlan> three{{.decodes = 3}}, four{{.decodes = 4}};
  pad_to_graphs(rules, three);
  pad_to_graphs(rules, four);
  CHECK_FALSE(three[0].graph);
  CHECK(four[0].graph);
}

TEST_CASE("ranks that are alike compute as many tokens as the fullest, without a graph, too") {
  const GraphRules rules{.sizes = {4}, .mixed = true, .alike = true};
  std::vector<BatchPlan> plans{{.decodes = 2}, {.decodes = 1, .chunks = {{.tokens = 9}}}};
  pad_to_graphs(rules, plans);
  CHECK_FALSE(plans[0].graph);
  CHECK(plans[0].padding == 8);  // 10 tokens of the other
  CHECK(plans[1].padding == 0);
  plans = {{.decodes = 2}, {.decodes = 3}};  // with one they go up to its size
  pad_to_graphs(rules, plans);
  CHECK(plans[0].graph);
  CHECK(plans[0].padding == 2);
}
