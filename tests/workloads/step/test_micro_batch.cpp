// A step cut into the parts that pass through the model, and who has which token of the routing.
#include "workloads/step/micro_batch.h"

#include <doctest/doctest.h>

#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

StepParts parts_of(const Batch& batch, const Deployment& d) {
  return split_step(batch, d, RankLayout(d.layout));
}

}  // namespace

TEST_CASE("a step without a pipeline and without two batches is one part") {
  const auto d = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  const Batch batch = on_every_rank({decoding(3, 10)});
  const StepParts parts = parts_of(batch, d);
  REQUIRE(parts.size() == 1);
  REQUIRE(parts[0].size() == 1);
  CHECK(parts[0][0].shape == batch);
  CHECK(parts[0][0].suffix == '\0');
  CHECK(parts[0][0].first_token == 0);
  CHECK(parts[0][0].routed_tokens() == 6);
  REQUIRE(parts[0][0].groups.size() == 1);
  CHECK(parts[0][0].groups[0].begin == std::vector<std::uint32_t>{0, 3, 6});
  CHECK(routed_tokens(parts) == 6);
}

TEST_CASE("stages take turns in micro-batches, each in two halves, whose tokens lie in a row") {
  // 7 sequences of each of 2 ranks over 2 micro-batches: 4 and 3; in halves 2, 2 and 2, 1.
  auto d = hand_deployment(
      hand_model({layer_of(NoMixer{}, hand_moe()), layer_of(NoMixer{}, hand_moe())}),
      {.pp = 2, .dp = 2, .ep = 2});
  d.overlap.two_batch = true;
  const StepParts parts = parts_of(on_every_rank({decoding(7, 10)}), d);
  REQUIRE(parts.size() == 2);
  std::vector<std::int64_t> sequences;
  std::vector<std::uint32_t> first;
  std::string suffixes;
  for (const auto& halves : parts) {
    REQUIRE(halves.size() == 2);
    for (const MicroBatch& half : halves) {
      sequences.push_back(half.shape.of(1).front().sequences);
      first.push_back(half.first_token);
      suffixes += half.suffix;
    }
  }
  CHECK(sequences == std::vector<std::int64_t>{2, 2, 2, 1});
  CHECK(first == std::vector<std::uint32_t>{0, 4, 8, 12});
  CHECK(suffixes == "abab");
  CHECK(routed_tokens(parts) == 14);
}

TEST_CASE("every part of a batch is cut, prompts by their number and not in their middle") {
  // 5 sequences that decode and 1 prompt over two micro-batches: 3; 2 and the prompt.
  const auto d = hand_deployment(
      hand_model({layer_of(NoMixer{}, hand_dense()), layer_of(NoMixer{}, hand_dense())}),
      {.pp = 2});
  const StepParts parts = parts_of(on_every_rank({decoding(5, 10), prompts(1, 8)}), d);
  CHECK(parts[0][0].shape == on_every_rank({decoding(3, 10), prompts(0, 8)}));
  CHECK(parts[1][0].shape == on_every_rank({decoding(2, 10), prompts(1, 8)}));
}

TEST_CASE("tokens start on the nodes that their ranks are on, counted from the group's first") {
  // dp 4 = ep 2 x 2 replicas on 2 nodes of 2 GPUs: groups {0, 1} and {2, 3}, one node each.
  auto d = hand_deployment(hand_model(), {.dp = 4, .ep = 2});
  d.cluster = hand_cluster(2, 2);
  auto parts = parts_of(on_every_rank({decoding(1, 10)}), d);
  REQUIRE(parts[0][0].sources.size() == 2);
  CHECK(parts[0][0].sources[1].node == std::vector<std::uint16_t>{0, 0});
  CHECK(parts[0][0].sources[1].begin == std::vector<std::uint32_t>{0, 1, 2});
  CHECK(parts[0][0].groups[1].first_token == 2);
  // All four in one group: two nodes.
  d.layout = {.dp = 4, .ep = 4};
  parts = parts_of(on_every_rank({decoding(1, 10)}), d);
  CHECK(parts[0][0].sources[0].node == std::vector<std::uint16_t>{0, 0, 1, 1});
}

TEST_CASE("a draft starts from one token of each sequence that decodes") {
  // Of 2 sequences with 3 tokens each and a prompt: 2 tokens a rank, from the same place in the
  // routing as the part itself.
  const auto d = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  BatchShape checked = decoding(2, 10);
  checked.query_length = 3;
  MicroBatch part = parts_of(on_every_rank({checked, prompts(1, 8)}), d)[0][0];
  CHECK(part.routed_tokens() == 28);
  part.first_token = 5;
  part.suffix = 'b';
  const MicroBatch draft = draft_of(part, d, RankLayout(d.layout));
  CHECK(draft.shape == on_every_rank({decoding(2, 10)}));
  CHECK(draft.routed_tokens() == 4);
  CHECK(draft.first_token == 5);
  CHECK(draft.suffix == 'b');
  // Of each rank its own.
  MicroBatch unequal = parts_of({.ranks = {{decoding(2, 10)}, {prompts(1, 8)}}}, d)[0][0];
  CHECK(draft_of(unequal, d, RankLayout(d.layout)).groups[0].begin ==
        std::vector<std::uint32_t>{0, 2, 2});
}

TEST_CASE("sequences left over of one kind go on where those of the kind before ended") {
  // Over 3: of 4 that decode 2, 1, 1; of the prompts the one left over goes second, and of a last
  // kind of two the first goes third, the second first again.
  const Batch batch{.ranks = {{decoding(4, 10), prompts(1, 5), prompts(2, 7)}, {decoding(2, 3)}}};
  const std::vector<Batch> cuts = cut(batch, 3);
  REQUIRE(cuts.size() == 3);
  CHECK(cuts[0].ranks ==
        std::vector<RankBatch>{{decoding(2, 10), prompts(0, 5), prompts(1, 7)}, {decoding(1, 3)}});
  CHECK(cuts[1].ranks ==
        std::vector<RankBatch>{{decoding(1, 10), prompts(1, 5), prompts(0, 7)}, {decoding(1, 3)}});
  CHECK(cuts[2].ranks ==
        std::vector<RankBatch>{{decoding(1, 10), prompts(0, 5), prompts(1, 7)}, {decoding(0, 3)}});
}
