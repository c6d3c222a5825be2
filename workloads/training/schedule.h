// In what order the ranks of a training pipeline work: lists of actions, which know no times.
//
// A pipeline of p ranks cuts a model in stages; a rank has one or two or more of them, its chunks.
// Each micro-batch goes forward through all stages and back. One function a schedule makes the
// lists; play_schedule.h plays any of them on given times. Sources: README.md.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::workloads {

enum class PassKind {
  Forward,
  BackwardInput,   // gradients of a stage's input alone
  BackwardWeight,  // those of its weights, which nobody waits for
  Backward,        // both at once
};

// One pass of a rank's chunk over a micro-batch.
struct Pass {
  PassKind kind = PassKind::Forward;
  std::uint32_t micro_batch = 0;
  std::uint32_t chunk = 0;  // of the rank's
  friend auto operator<=>(const Pass&, const Pass&) = default;
};

// What a rank does at one time: one pass, or a forward and a backward one of two micro-batches that
// are woven layer by layer, so that one's exchanges run beside the other's computation.
struct Action {
  Pass pass;
  std::optional<Pass> beside = {};  // the backward one, where `pass` is the forward one
  friend bool operator==(const Action&, const Action&) = default;
};

// How stages lie on ranks.
enum class StageRoute {
  Looped,  // stage s on rank s mod p, chunk s div p; with one chunk: stage s on rank s
  Vee,     // two chunks: down the ranks and up again
  TwoWay,  // two chunks: two copies of a pipeline of p stages, one from either end
};

struct ChunkPlace {
  std::uint32_t rank = 0, chunk = 0;
  friend bool operator==(const ChunkPlace&, const ChunkPlace&) = default;
};

struct PipelineSchedule {
  StageRoute route = StageRoute::Looped;
  std::uint32_t chunks = 1;                     // of each rank
  std::vector<std::vector<Action>> ranks = {};  // what each does, in order

  std::uint32_t size() const { return static_cast<std::uint32_t>(ranks.size()); }
  // Of the model: p x chunks, or p where two copies go either way.
  std::uint32_t stages() const;
  std::uint32_t stage(ChunkPlace at) const;
  // Who has the stage before or after that of a chunk, of the same copy; none at either end.
  std::optional<ChunkPlace> before(ChunkPlace at) const;
  std::optional<ChunkPlace> after(ChunkPlace at) const;
};

enum class ScheduleName { GPipe, OneFOneB, Interleaved, ZbH1, ZbV, DualPipe, DualPipeV };
// "gpipe", "1f1b", "interleaved", "zb_h1", "zb_v", "dualpipe", "dualpipe_v"
std::span<const std::string_view> schedule_names();
std::string_view name_of(ScheduleName name);
std::optional<ScheduleName> parse_schedule(std::string_view name);

struct ScheduleShape {
  std::int64_t ranks = 1;          // p
  std::int64_t micro_batches = 1;  // m, of a step; two-way: of both ends together
  std::int64_t chunks = 1;         // v of `interleaved`; the others have their own number
  std::int64_t group = 0;          // micro-batches that `interleaved` takes a chunk by; 0: p
  // Forward passes are woven with backward ones (Action::beside): a warm-up pass more.
  bool overlap_passes = false;
  // Times that `zb_v` fills its bubbles by; equal ones unless given. In any one unit.
  std::int64_t forward = 1, backward_input = 1, backward_weight = 1;
};

// What stands against a schedule of that shape, in words that say what would do; empty: nothing.
std::vector<std::string> problems_of(ScheduleName name, const ScheduleShape& shape);

// REQUIRES: problems_of(name, shape).empty()
PipelineSchedule make_schedule(ScheduleName name, const ScheduleShape& shape);

}  // namespace moesim::workloads
