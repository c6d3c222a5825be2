// Passes of a stage worked out by hand, to the picosecond.
#include "workloads/training/chunk_table.h"

#include <doctest/doctest.h>

#include <numeric>

#include "tests/workloads/training/hand_training.h"

using namespace moesim;
using namespace moesim::testing;

TEST_CASE("a mixture layer forward takes the time that a hand computes") {
  // Embedding: 8,000 B                                                            1.008000 us
  // Router: norm 16,000 B, product 12,016 B, 6 launches and 128 B of choice       8.028144
  // At the dispatch                                                               9.036144
  // Dispatch: rank 0 sends 1 message of 2,016 B, rank 1 two:
  //   9 + 4.032 and for rank 0, which receives, the path's 1
  //   us                  23.068144, 22.068144
  // Experts: rows 3 and 2 on rank 0, 2 and 1 on rank 1; first product 2,000,000 + 4,000 r bytes,
  // second 1,000,000 + 3,000 r, activation 3,000 B a row, sorted and back 4,000 B a row each:
  //   rank 0: 3.012 + 3.008 + 2.009 + 2.006 + 1.015 + 2 x 1.020 = 13.090          36.158144
  //   rank 1: 3.008 + 3.004 + 2.006 + 2.003 + 1.009 + 2 x 1.012 = 13.054          35.122144
  // Combine: rank 0 sends 2 x 2,000 B: 9 + 4, the receiver 1
  // more                 49.158144, 50.158144
  const tests::TemporaryFolder folder;
  const Deployment d = hand_training_deployment(write_hand_trace(folder));
  const TrainingQuestion q = hand_question();
  for (const hardware::Fidelity fidelity : {hardware::Fidelity::Bound, hardware::Fidelity::Fluid}) {
    Deployment played = d;
    played.network.fidelity = fidelity;
    ChunkTable chunks(played, q);
    const PlayedChunk& forward = chunks.of({PassKind::Forward});
    CHECK(forward.time == 50'158'144_ps);
    CHECK(forward.rows == std::vector<std::int64_t>{5, 3});
    // Rank 1 is last: dispatch 13.032, combine from 35.122144 on.
    CHECK(forward.exposed[index_of(Phase::Dispatch)] == 13'032'000_ps);
    CHECK(forward.exposed[index_of(Phase::Combine)] == 15'036'000_ps);
    CHECK(std::accumulate(forward.exposed.begin(), forward.exposed.end(), forward.idle) ==
          forward.time);
  }
}

TEST_CASE("its backward pass sends gradients the other way and computes weights before") {
  // Combine's gradient goes the dispatch's way                                    14.032, 13.032
  // Experts: as forward, but for the activation's 5,000 B a row: 13.100, 13.060
  // Weights: 8,000,000 + 4,000 r and 4,000,000 + 3,000 r bytes:
  //   rank 0: 9.012 + 9.008 + 5.009 + 5.006 = 28.035                              55.167
  //   rank 1: 9.008 + 9.004 + 5.006 + 5.003 = 28.021                              54.113
  // Dispatch's gradient goes the combine's way: 13, the receiver 14               68.167, 69.167
  // Router: norm 24,000 B, product 12,016 B, choice 6.000128 = 8.036144; weights 36,016 B
  //                                                                               78.239160
  // Embedding's table: 20,000 B                                                   79.259160
  const tests::TemporaryFolder folder;
  const Deployment d = hand_training_deployment(write_hand_trace(folder));
  const TrainingQuestion q = hand_question();
  ChunkTable chunks(d, q);
  CHECK(chunks.of({PassKind::Backward}).time == 79'259'160_ps);
  // Weights apart: 28.035 and 1.036016 and 1.020 on rank 0.
  CHECK(chunks.of({PassKind::BackwardWeight}).time == 30'091'016_ps);
  // Without them: rank 0 comes to the dispatch at 27.132, rank 1 is done 14 later, and routes.
  CHECK(chunks.of({PassKind::BackwardInput}).time == 49'168'144_ps);
}

TEST_CASE("woven passes hide exchanges behind the other's computation") {
  const tests::TemporaryFolder folder;
  const Deployment d = hand_training_deployment(write_hand_trace(folder));
  const TrainingQuestion q = hand_question();
  ChunkTable chunks(d, q);
  const sim::Duration forward = chunks.of({PassKind::Forward}).time;
  const sim::Duration backward = chunks.of({PassKind::Backward}).time;
  const sim::Duration woven =
      chunks.of({.kind = PassKind::Forward, .beside = ChunkPass::Beside{}}).time;
  CHECK(woven < forward + backward);
  // All computation is there: of rank 0 forward 22.126144, backward 13.1 + 28.035 + 8.036144 +
  // 1.036016 + 1.02.
  CHECK(woven >= 22'126'144_ps + 51'227'160_ps);
}

TEST_CASE("full recomputation plays the layer again, exchanges included") {
  const tests::TemporaryFolder folder;
  const Deployment d = hand_training_deployment(write_hand_trace(folder));
  TrainingQuestion q = hand_question();
  q.recompute.full = true;
  ChunkTable chunks(d, q);
  // Ranks enter the repeated forward together, and what it ends with is 1 us apart: as the
  // backward's first exchange waits for the last one, all of the forward is added but the
  // embedding.
  CHECK(chunks.of({PassKind::Backward}).time == (79'259'160_ps + 50'158'144_ps - 1'008'000_ps));
}

TEST_CASE("a capacity makes every rank's experts as busy") {
  // 2 tokens a rank choose 2 of 4 experts: 1 row each of each rank; with 1.5 times that 2 rows.
  const tests::TemporaryFolder folder;
  const Deployment d = hand_training_deployment(write_hand_trace(folder));
  TrainingQuestion q = hand_question();
  q.capacity = 1;
  CHECK(ChunkTable(d, q).of({PassKind::Forward}).rows == std::vector<std::int64_t>{4, 4});
  q.capacity = 1.5;
  CHECK(ChunkTable(d, q).of({PassKind::Forward}).rows == std::vector<std::int64_t>{8, 8});
  CHECK(ChunkTable(d, q).draws() == 1);
}
