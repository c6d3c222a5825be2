// A mixture layer on two ranks whose step can be worked out by hand (tests/workloads/step/
// hand_scenario.h has the machine: 1 us a launch, 1 ps a byte, free arithmetic).
#pragma once

#include <array>

#include "tests/workloads/step/hand_scenario.h"
#include "workloads/training/question.h"

namespace moesim::testing {

// Tokens 0 and 1 start on rank 0, 2 and 3 on rank 1; experts 0 and 1 live on rank 0, 2 and 3 on
// rank 1.
inline std::filesystem::path write_hand_trace(const tests::TemporaryFolder& folder) {
  const std::array<ExpertId, 8> choices{0, 1, 0, 2, 2, 3, 0, 1};
  const auto trace = folder.path() / "trace.h5";
  TraceWriter writer(trace, {.layers = 1, .experts = 4, .top_k = 2});
  writer.append({.ids = choices});
  writer.close();
  return trace;
}

inline Deployment hand_training_deployment(const std::filesystem::path& trace) {
  Deployment d = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  d.routing.trace = trace;
  d.network.fidelity = hardware::Fidelity::Bound;
  return d;
}

// Two tokens a rank, two micro-batches, one stage.
inline TrainingQuestion hand_question() {
  TrainingQuestion q;
  q.sequence = 2;
  q.global_batch = 4;
  q.schedule = {};
  q.stages = {{.embedding = true, .layers = 1, .loss = true}};
  q.sharding = Sharding::None;
  q.draws = 1;
  return q;
}

}  // namespace moesim::testing
