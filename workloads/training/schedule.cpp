#include "workloads/training/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/check.h"
#include "workloads/training/schedules/schedules.h"

namespace moesim::workloads {
namespace {

struct Row {
  ScheduleName schedule;
  std::string_view name;
  PipelineSchedule (*make)(const ScheduleShape&);
};

// All there are, in the order of ScheduleName.
constexpr std::array<Row, 7> kSchedules{{
    {ScheduleName::GPipe, "gpipe", schedules::gpipe},
    {ScheduleName::OneFOneB, "1f1b", schedules::one_f_one_b},
    {ScheduleName::Interleaved, "interleaved", schedules::interleaved},
    {ScheduleName::ZbH1, "zb_h1", schedules::zb_h1},
    {ScheduleName::ZbV, "zb_v", schedules::zb_v},
    {ScheduleName::DualPipe, "dualpipe", schedules::dual_pipe},
    {ScheduleName::DualPipeV, "dualpipe_v", schedules::dual_pipe_v},
}};

constexpr auto kNames = [] {
  std::array<std::string_view, kSchedules.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kSchedules[i].name;
  return names;
}();

const Row& row(ScheduleName name) {
  return kSchedules[static_cast<std::size_t>(name)];
}

// As Megatron-LM refuses them (parallel_state, schedules.py).
void check_interleaved(const ScheduleShape& s, std::vector<std::string>& problems) {
  const std::int64_t group = s.group == 0 ? s.ranks : s.group;
  if (s.chunks < 2) {
    problems.push_back(fmt::format(
        "interleaved needs 2 or more virtual stages a rank, not {}: say virtual_stages, or 1f1b",
        s.chunks));
  }
  if (s.ranks < 2) problems.emplace_back("interleaved needs a pipeline: pp of 2 or more");
  if (group < s.ranks) {
    problems.push_back(fmt::format(
        "interleaved takes at least as many micro-batches at once as there are ranks: {}, not {}",
        s.ranks, group));
  }
  if (group > s.micro_batches) {
    problems.push_back(
        fmt::format("interleaved takes {} micro-batches at once, and a step has {}: a larger "
                    "global_batch or a smaller micro_batch would do",
                    group, s.micro_batches));
    return;
  }
  const std::int64_t last = s.micro_batches % group;
  if (last > 0 && last < s.ranks) {
    problems.push_back(fmt::format(
        "interleaved takes {} micro-batches at once, which leaves {} for the last time, fewer than "
        "the {} ranks: a number of micro-batches that divides by {} would do",
        group, last, s.ranks, group));
  }
}

void check_dual(ScheduleName name, const ScheduleShape& s, std::vector<std::string>& problems) {
  if (name == ScheduleName::DualPipe && s.ranks % 2 != 0) {
    problems.push_back(
        fmt::format("dualpipe needs an even number of pipeline ranks, not {}", s.ranks));
  }
  if (name == ScheduleName::DualPipe && s.micro_batches % 2 != 0) {
    problems.push_back(fmt::format(
        "dualpipe needs an even number of micro-batches, not {}: half of them from either end",
        s.micro_batches));
  }
  if (s.micro_batches < 2 * s.ranks) {
    problems.push_back(
        fmt::format("{} needs at least {} micro-batches, two for each pipeline rank, not {}",
                    name_of(name), 2 * s.ranks, s.micro_batches));
  }
}

}  // namespace

std::span<const std::string_view> schedule_names() {
  return kNames;
}

std::string_view name_of(ScheduleName name) {
  return row(name).name;
}

std::optional<ScheduleName> parse_schedule(std::string_view name) {
  const auto found = std::ranges::find(kSchedules, name, &Row::name);
  if (found == kSchedules.end()) return {};
  return found->schedule;
}

std::uint32_t PipelineSchedule::stages() const {
  return route == StageRoute::TwoWay ? size() : size() * chunks;
}

std::uint32_t PipelineSchedule::stage(ChunkPlace at) const {
  switch (route) {
    case StageRoute::Looped:
      return at.chunk * size() + at.rank;
    case StageRoute::Vee:
      return at.chunk == 0 ? at.rank : 2 * size() - 1 - at.rank;
    case StageRoute::TwoWay:
      return at.chunk == 0 ? at.rank : size() - 1 - at.rank;
  }
  SIM_CHECK(false, "a route of stages is not listed");
}

std::optional<ChunkPlace> PipelineSchedule::before(ChunkPlace at) const {
  const std::uint32_t mine = stage(at);
  if (mine == 0) return {};
  switch (route) {
    case StageRoute::Looped:
      return ChunkPlace{(mine - 1) % size(), (mine - 1) / size()};
    case StageRoute::Vee:
      return mine - 1 < size() ? ChunkPlace{mine - 1, 0} : ChunkPlace{2 * size() - mine, 1};
    case StageRoute::TwoWay:
      return ChunkPlace{at.chunk == 0 ? at.rank - 1 : at.rank + 1, at.chunk};
  }
  SIM_CHECK(false, "a route of stages is not listed");
}

std::optional<ChunkPlace> PipelineSchedule::after(ChunkPlace at) const {
  const std::uint32_t mine = stage(at);
  if (mine + 1 == stages()) return {};
  switch (route) {
    case StageRoute::Looped:
      return ChunkPlace{(mine + 1) % size(), (mine + 1) / size()};
    case StageRoute::Vee:
      return mine + 1 < size() ? ChunkPlace{mine + 1, 0} : ChunkPlace{2 * size() - 2 - mine, 1};
    case StageRoute::TwoWay:
      return ChunkPlace{at.chunk == 0 ? at.rank + 1 : at.rank - 1, at.chunk};
  }
  SIM_CHECK(false, "a route of stages is not listed");
}

std::vector<std::string> problems_of(ScheduleName name, const ScheduleShape& shape) {
  std::vector<std::string> problems;
  if (name == ScheduleName::Interleaved) {
    check_interleaved(shape, problems);
  } else if (shape.chunks > 1) {
    problems.push_back(fmt::format(
        "virtual_stages is for the schedule interleaved; {} has its own number of chunks",
        name_of(name)));
  }
  if (name == ScheduleName::DualPipe || name == ScheduleName::DualPipeV)
    check_dual(name, shape, problems);
  if (name == ScheduleName::ZbV && shape.micro_batches < shape.ranks) {
    problems.push_back(fmt::format(
        "zb_v needs at least as many micro-batches as there are pipeline ranks, {}, not {}",
        shape.ranks, shape.micro_batches));
  }
  if (shape.overlap_passes && name != ScheduleName::Interleaved && name != ScheduleName::DualPipe &&
      name != ScheduleName::DualPipeV && shape.ranks > 1) {
    problems.push_back(fmt::format(
        "overlap.expert weaves a forward and a backward pass, which {} has none of at one time: "
        "interleaved, dualpipe and dualpipe_v do",
        name_of(name)));
  }
  return problems;
}

PipelineSchedule make_schedule(ScheduleName name, const ScheduleShape& shape) {
  SIM_CHECK(problems_of(name, shape).empty(), "a schedule was asked for that cannot be");
  return row(name).make(shape);
}

}  // namespace moesim::workloads
