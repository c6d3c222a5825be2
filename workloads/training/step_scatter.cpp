#include "workloads/training/step_scatter.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

#include "sim/check.h"
#include "workloads/training/jitter.h"
#include "workloads/training/pipeline_step.h"
#include "workloads/training/replay_schedule.h"

namespace moesim::workloads {
namespace {

using sim::Duration;

// What a pipeline's actions take, and how much of that is computing.
struct PipelineTimes {
  ReplayTimes times;
  std::vector<Duration> computing;
};

PipelineTimes times_of(const PipelineSchedule& schedule, PipelineStep& parts, std::size_t shift) {
  ScheduleTimes known = parts.times(shift);
  PipelineTimes result{.times = {.time = {}, .send = known.send, .ready = std::move(known.ready)},
                       .computing = {}};
  for (std::uint32_t r = 0; r < schedule.size(); ++r) {
    for (const Action& action : schedule.ranks[r]) {
      const PlayedChunk& chunk = parts.played(r, action, shift);
      const ExposedTimes shown = exposed_of(chunk);
      result.times.time.push_back(parts.time_of(r, action, shift));
      result.times.first_use.push_back(chunk.first_use);
      result.computing.push_back(
          std::accumulate(shown.begin(), shown.end(), chunk.time,
                          [](Duration left, Duration part) { return left - part; }));
    }
  }
  return result;
}

// The chunks whose factors actions have, a number for each that differs.
class Lateness {
 public:
  explicit Lateness(const PipelineSchedule& schedule) {
    std::map<Key, std::size_t> numbers;
    for (std::uint32_t r = 0; r < schedule.size(); ++r) {
      for (const Action& action : schedule.ranks[r]) {
        const Key key{r, action.pass.chunk,
                      action.beside ? action.beside->chunk : action.pass.chunk};
        const auto [found, is_new] = numbers.try_emplace(key, keys_.size());
        if (is_new) keys_.push_back(key);
        of_action_.push_back(found->second);
      }
    }
    factors_.resize(keys_.size());
  }

  void draw(const LateGpus& gpus, std::int64_t pipeline) {
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const auto [rank, forward, backward] = keys_[i];
      factors_[i] = forward == backward ? gpus.factor(pipeline, rank, forward)
                                        : gpus.factor(pipeline, rank, forward, backward);
    }
  }
  double of(std::size_t action) const { return factors_[of_action_[action]]; }

 private:
  using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t>;  // rank, forward, backward
  std::vector<Key> keys_;
  std::vector<std::size_t> of_action_;
  std::vector<double> factors_;
};

Duration scaled(Duration time, double factor) {
  return Duration(std::llround(static_cast<double>(time.count()) * factor));
}

}  // namespace

std::vector<Duration> late_steps(const Deployment& deployment, const TrainingQuestion& question,
                                 const PipelineSchedule& schedule, const DataParallel& replicas,
                                 ChunkTable& chunks) {
  const Jitter& jitter = question.jitter;
  SIM_CHECK(jitter.given() && jitter.steps > 0, "no GPU is late");
  PipelineStep parts(deployment, question, schedule, replicas, chunks);
  const ReplaySchedule replay(schedule);
  std::map<std::size_t, PipelineTimes> known;
  for (const std::size_t shift : parts.shifts())
    known.emplace(shift, times_of(schedule, parts, shift));
  LateGpus gpus(jitter,
                {.pipelines = parts.pipelines(),
                 .ranks = schedule.size(),
                 .gpus = chunks.ranks(),
                 .chunks = schedule.chunks},
                deployment.seed);
  Lateness late(schedule);
  std::vector<Duration> steps;
  PlayedSchedule played, slowest;
  ReplayTimes times;
  for (std::int64_t i = 0; i < jitter.steps; ++i) {
    gpus.next();
    PipelineStep::Meeting meeting = parts.nobody_yet();
    slowest.step = Duration{-1};
    std::size_t slowest_shift = 0;
    for (std::int64_t e = 0; e < parts.pipelines(); ++e) {
      const std::size_t shift = parts.shift_of(e);
      const PipelineTimes& usual = known.at(shift);
      late.draw(gpus, e);
      times = usual.times;
      for (std::size_t a = 0; a < times.time.size(); ++a)
        times.time[a] += scaled(usual.computing[a], late.of(a) - 1);
      replay.play(times, played);
      parts.note(played, meeting);
      if (played.step <= slowest.step) continue;
      std::swap(played, slowest);
      slowest_shift = shift;
    }
    const Duration step = parts.step(parts.synced(meeting, slowest, slowest_shift));
    steps.push_back(scaled(step, gpus.stall()));
  }
  return steps;
}

DrawsError draws_error(const Deployment& deployment, const TrainingQuestion& question,
                       const PipelineSchedule& schedule, const DataParallel& replicas,
                       ChunkTable& chunks) {
  PipelineStep parts(deployment, question, schedule, replicas, chunks);
  // Times of passes that differ by their draw alone, on a rank.
  struct Alike {
    struct Sum {
      Duration time{};
      std::int64_t count = 0;
      void add(Duration more) { time += more, ++count; }
      Duration mean() const { return time / count; }
    };
    Sum all;
    std::map<std::uint32_t, Sum> by_draw;
  };
  std::map<std::pair<std::uint32_t, ChunkPass>, Alike> passes;
  std::vector<Alike*> of_action;
  std::map<std::uint32_t, bool> draws;
  const std::vector<std::size_t> shifts = parts.shifts();
  for (const std::size_t shift : shifts) {
    for (std::uint32_t r = 0; r < schedule.size(); ++r) {
      for (const Action& action : schedule.ranks[r]) {
        ChunkPass pass = parts.chunk_of(r, action, shift);
        const std::uint32_t draw = chunks.as_played(pass).draw;
        pass.draw = 0;
        if (pass.beside) pass.beside->draw = 0;
        Alike& alike = passes[{r, pass}];
        const Duration time = parts.time_of(r, action, shift);
        alike.all.add(time);
        alike.by_draw[draw].add(time);
        draws[draw] = true;
        if (shift == shifts.front()) of_action.push_back(&alike);
      }
    }
  }
  DrawsError error{.draws = static_cast<std::int64_t>(draws.size())};
  if (draws.size() < 2) return error;

  const ReplaySchedule replay(schedule);
  ReplayTimes times = times_of(schedule, parts, shifts.front()).times;
  PlayedSchedule played;
  double sum = 0, squares = 0;
  std::vector<double> steps;
  for (const auto& [draw, taken] : draws) {
    for (std::size_t a = 0; a < of_action.size(); ++a) {
      const Alike& alike = *of_action[a];
      const auto found = alike.by_draw.find(draw);
      times.time[a] = found != alike.by_draw.end() ? found->second.mean() : alike.all.mean();
    }
    replay.play(times, played);
    PipelineStep::Meeting meeting = parts.nobody_yet();
    parts.note(played, meeting);
    steps.push_back(sim::to_us(parts.step(parts.synced(meeting, played, shifts.front()))));
    sum += steps.back();
  }
  const auto n = static_cast<double>(steps.size());
  for (const double step : steps) squares += (step - sum / n) * (step - sum / n);
  error.us = std::sqrt(squares / (n - 1) / n);
  return error;
}

}  // namespace moesim::workloads
