// What the routing of a step comes to, counted by hand.
#include "workloads/training/step_loads.h"

#include <doctest/doctest.h>

#include "tests/workloads/training/hand_training.h"
#include "workloads/training/pipeline_step.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

using Taken = std::map<std::uint32_t, std::int64_t>;

Taken taken(const Parallelism& layout, std::int64_t micro_batches, std::uint32_t draws) {
  Deployment d;
  d.layout = layout;
  TrainingQuestion q;
  q.global_batch = layout.dp * micro_batches;
  return draws_taken(d, q, draws);
}

}  // namespace

TEST_CASE("micro-batch i of pipeline e takes draw i + 3 e, and others are not made") {
  // One pipeline of two ranks; of a million draws two are taken.
  CHECK(taken({.dp = 2, .ep = 2}, 2, 1'000'000) == Taken{{0, 1}, {1, 1}});
  CHECK(taken({.dp = 2, .ep = 2}, 2, 1) == Taken{{0, 2}});
  // 7 of 5: the first two twice.
  CHECK(taken({.dp = 2, .ep = 2}, 7, 5) == Taken{{0, 2}, {1, 2}, {2, 1}, {3, 1}, {4, 1}});
  // Four pipelines, from draws 0, 3, 6 = 1 and 9 = 4 on: {0, 1}, {3, 4}, {1, 2}, {4, 0}.
  CHECK(taken({.dp = 8, .ep = 2}, 2, 5) == Taken{{0, 2}, {1, 2}, {2, 1}, {3, 1}, {4, 2}});
}

TEST_CASE("experts and ranks are loaded with what their micro-batches choose") {
  // Choices {0 1} {0 2} {2 3} {0 1} twice: experts 0 to 3 have 3, 2, 2, 1 rows of each; 0 and 1 lie
  // on rank 0.
  const tests::TemporaryFolder folder;
  const Deployment d = hand_training_deployment(write_hand_trace(folder));
  const TrainingQuestion q = hand_question();
  ChunkTable chunks(d, q);
  const StepLoads loads = loads_of(d, q, chunks);
  REQUIRE(loads.layers.size() == 1);
  CHECK(loads.layers[0].layer == 0);
  CHECK(loads.layers[0].expert_counts == std::vector<std::uint64_t>{6, 4, 4, 2});
  CHECK(loads.layers[0].rank_rows == std::vector<std::uint64_t>{10, 6});
  CHECK(loads.rows == 16);
  CHECK(loads.dropped == 0);
}

TEST_CASE("rows that align experts in 8 bits are counted beside those that there are") {
  // 3, 2, 2, 1 rows are 16 each: 13 + 14 + 14 + 15 more, of two micro-batches.
  const tests::TemporaryFolder folder;
  Deployment d = hand_training_deployment(write_hand_trace(folder));
  const TrainingQuestion q = hand_question();
  const auto loads = [&] {
    ChunkTable chunks(d, q);
    return loads_of(d, q, chunks);
  };
  CHECK(loads().aligning == 0);
  d.formats.experts = hardware::Precision::FP8Block;
  CHECK(loads().aligning == 112);
  CHECK(loads().rows == 16);
}

TEST_CASE("where experts lie on ranks decides whose rows they are") {
  // The other way round: experts 3 and 2 on rank 0, 1 and 0 on rank 1: 1 + 2 and 2 + 3 rows, twice.
  const tests::TemporaryFolder folder;
  Deployment d = hand_training_deployment(write_hand_trace(folder));
  d.placement.file = folder.file("placement.yaml", "slots: [[3, 2, 1, 0]]\n");
  const TrainingQuestion q = hand_question();
  ChunkTable chunks(d, q);
  const LayerLoad layer = loads_of(d, q, chunks).layers.at(0);
  CHECK(layer.expert_counts == std::vector<std::uint64_t>{6, 4, 4, 2});
  CHECK(layer.rank_rows == std::vector<std::uint64_t>{6, 10});
}

TEST_CASE("a capacity that is filled up drops what is over it, and fills the rest") {
  // ceil(2 tokens x 2 / 4 experts) = 1 row of an expert from each rank. Rank 0 chooses {0 1} {0 2}:
  // expert 0 twice, one is over; rank 1 chooses {2 3} {0 1}: none is. So 7 of 8 selections have a
  // row of 8, twice: of 16 rows 2 are padding, of 16 selections 2 are dropped.
  const tests::TemporaryFolder folder;
  const Deployment d = hand_training_deployment(write_hand_trace(folder));
  TrainingQuestion q = hand_question();
  q.capacity = 1;
  ChunkTable chunks(d, q);
  const StepLoads rows = loads_of(d, q, chunks);
  CHECK(rows.rows == 16);
  CHECK(rows.layers.at(0).expert_counts == std::vector<std::uint64_t>{4, 4, 4, 4});
  const FilledCapacity filled = filled_capacity(d, q, rows);
  CHECK(filled.kept == 14);
  CHECK(filled.dropped == 2);
  CHECK(filled.padding == 2);
  // Not filled up, the same are dropped, and only what is kept is computed.
  q.fills_capacity = false;
  ChunkTable open(d, q);
  CHECK(loads_of(d, q, open).rows == 14);
  CHECK(loads_of(d, q, open).dropped == 2);
  // Twice the room: nothing is dropped, and half of the rows are padding.
  q.fills_capacity = true;
  q.capacity = 2;
  ChunkTable wide(d, q);
  const FilledCapacity room = filled_capacity(d, q, loads_of(d, q, wide));
  CHECK(room.kept == 16);
  CHECK(room.dropped == 0);
  CHECK(room.padding == 16);
}
