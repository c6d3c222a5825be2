// What a pass of a stage takes (level 1): the passes of its layers on one expert group, every
// exchange played on the cluster's links. A pass is played when it is first asked for, and
// remembered; stages of equal content, whose GPUs are as fast (stage_speeds.h), are one where the
// routing is balanced, or uniform. Then each has the draws in an order of its own, so that a
// micro-batch that is slow in one is not so in all.
//
// The host of a rank (host_stream.h) is as far ahead when a pass starts as the pass before leaves
// it, which is taken to be the other one of the same stage: a backward pass after a forward one,
// and the other way round, of passes that are woven the same.
//
// The ranks of a group enter a pass together, and the pass is over when its last rank is done. In
// truth a rank goes on by itself: what follows is late by the skew of the last combine, at most.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/op_graph.h"
#include "sim/timeline.h"
#include "workloads/deployment/deployment.h"
#include "workloads/step/step_account.h"
#include "workloads/training/layer_passes.h"
#include "workloads/training/question.h"

namespace moesim::workloads {

// A pass of a stage, or a forward and a backward one that are woven; without overlap.expert the
// backward one follows the forward one.
struct ChunkPass {
  PassKind kind = PassKind::Forward;
  std::uint32_t stage = 0, draw = 0;
  // The backward pass beside a forward one.
  struct Beside {
    std::uint32_t stage = 0, draw = 0;
    friend auto operator<=>(const Beside&, const Beside&) = default;
  };
  std::optional<Beside> beside = {};
  friend auto operator<=>(const ChunkPass&, const ChunkPass&) = default;
};

struct PlayedChunk {
  sim::Duration time{};
  // How the time of the rank that is done last divides: sums to `time` with `idle`.
  std::array<sim::Duration, kTrainingPhases> exposed{};
  // Of `exposed`, what is waited for ranks of the group that have not yet arrived.
  std::array<sim::Duration, kTrainingPhases> waiting{};
  sim::Duration idle{};
  // That its exchanges of tokens keep a rank's NICs, on average; none where they stay on a node.
  sim::Duration links{};
  // When its first exchange of tokens starts, where it uses NICs; none: none does, or the pass is
  // woven, where others hide it.
  std::optional<sim::Duration> first_use = {};
  sim::Duration lead{};  // of the host over the GPU at the end, where it had none at the start
  std::array<Work, kPhases> work{};  // computations of all ranks of the group
  std::array<Work, kPhases> exchanged{};
  std::vector<std::int64_t> rows = {};       // of each rank's experts, in all layers, forward
  std::int64_t selections = 0, dropped = 0;  // as LayerPasses', in all layers
};

class ChunkTable {
 public:
  // Both outlive this. `as_busy`: in place of the deployment's routing every expert is as busy
  // (dealt_routing.h). Throws ConfigError, InputError for what the deployment names.
  ChunkTable(const Deployment& deployment, const TrainingQuestion& question, bool as_busy = false);
  ~ChunkTable();

  // Good as long as this. REQUIRES: draw < draws()
  const PlayedChunk& of(const ChunkPass& pass);
  // What it is played as: with equal stages folded, the first one's, and the draw that it has
  // there.
  ChunkPass as_played(const ChunkPass& pass) const;
  // The same with its operations, named after the layers of the stage that is asked for.
  struct Recorded {
    sim::OpGraph graph;
    sim::Timeline timeline;
  };
  Recorded record(const ChunkPass& asked);

  // What the mixture layers of a stage come to in a draw of the routing, by the layers' numbers;
  // prediction layers come after the model's. Nothing is played for it. REQUIRES: draw < draws()
  struct StageLoads {
    std::vector<LayerLoad> layers;
    std::int64_t dropped = 0;  // selections over a capacity
  };
  StageLoads loads(std::uint32_t stage, std::uint32_t draw);

  std::uint32_t draws() const;  // different ones: 1 where the routing is balanced
  std::string routing() const;  // what it is
  Rank ranks() const;           // of the group
  // Multiprocessors that the kernels of its exchanges of tokens hold while they run.
  std::int64_t held() const;

 private:
  // `named`: whose layers' numbers it has; its own.
  PlayedChunk play(const ChunkPass& pass, sim::Duration lead, const ChunkPass* named = nullptr,
                   Recorded* recorded = nullptr);
  sim::Duration lead_before(const ChunkPass& pass);
  sim::Duration lead_after(const ChunkPass& pass);

  struct Shared;
  std::unique_ptr<Shared> shared_;
  std::map<ChunkPass, PlayedChunk> known_;
  std::map<ChunkPass, sim::Duration> leads_;  // that a pass leaves, by itself
  std::size_t ops_ = 0;                       // most of a pass so far
};

}  // namespace moesim::workloads
