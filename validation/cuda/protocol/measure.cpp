#include "validation/cuda/protocol/measure.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "validation/cuda/protocol/checks.h"
#include "validation/cuda/protocol/guarded_machine.h"
#include "validation/cuda/protocol/layer.h"
#include "validation/cuda/protocol/measured_set.h"
#include "validation/cuda/protocol/statistics.h"

namespace moesim::validation::cuda {
namespace {

constexpr double kPowerSeconds = 3;

struct Job {
  std::function<std::unique_ptr<Set>(std::uint64_t seed)> make;
  double set_bytes = 0;       // that one set reads of what should be cold
  int executions = 1;         // of the operation in one set
  double bound = kBf16Bound;  // of the error
};

Job job_of(Machine& machine, const PlanPoint& point) {
  Job job;
  const std::string& op = point.op;
  job.set_bytes = point.bytes;
  const auto made_by = [&](auto make) {
    return [&machine, &point, make](std::uint64_t seed) { return make(machine, point, seed); };
  };
  if (op == "empty") {
    job.set_bytes = 0;
    job.executions = 100;  // one alone is shorter than what surrounds it
    job.make = [](std::uint64_t) { return make_empty_set(100); };
  } else if (op == "gemm" || op == "grouped_gemm") {
    job.make = made_by(make_gemm_set);
  } else if (op == "layer") {
    job.make = made_by(make_layer_set);
  } else if ((op == "copy" || op == "read") && point.impl != "cuda") {
    job.make = made_by(make_stream_set);
  } else if (op == "copy" || op == "h2d" || op == "d2h") {
    job.make = [&](std::uint64_t) { return make_transfer_set(machine, point); };
  } else if (op == "attention_decode") {
    job.make = made_by(make_attention_set);
  } else if (op == "attention_prefill") {
    job.make = made_by(make_prefill_set);
  } else {
    job.make = made_by(make_part_set);
  }
  return job;
}

// Memory, not time: what was taken beside what the formula says.
void measure_memory(Machine& machine, const PlanPoint& point, PointResult& result) {
  if (point.detail == "layer peak") {
    const std::size_t before = machine.free_memory();
    const LayerShape shape = layer_shape(point);
    const Layer layer(machine, shape, 1);
    result.measured_bytes =
        static_cast<double>(before) - static_cast<double>(machine.free_memory());
    return;
  }
  result.measured_bytes = machine.footprint(point.detail, point.bytes);
  if (!result.measured_bytes) {
    result.flags.push_back("skipped: this machine cannot tell " + point.detail);
  }
}

void summarise(const Timing& timing, int executions, Machine& machine, PointResult& result) {
  std::vector<double> us = timing.us;
  for (double& value : us) value /= executions;
  result.repeats = static_cast<int>(us.size());
  if (us.empty()) {
    result.flags.push_back("failed: nothing was timed");
    return;
  }
  result.p10_us = percentile(us, 0.1);
  result.p50_us = percentile(us, 0.5);
  result.p90_us = percentile(us, 0.9);
  result.health = machine.health();
  if (!timing.graph) result.flags.push_back("no_graph");
  if (result.p90_us > 1.2 * result.p10_us) result.flags.push_back("noisy");
  // NVML's clock event reasons: hardware slowdown, thermal (software, hardware), power brake. The
  // software power cap is how a card runs under a long load: said, and another flag.
  constexpr std::uint64_t kThrottled = 0x8 | 0x20 | 0x40 | 0x80, kPowerCap = 0x4;
  const std::uint64_t reasons = result.health.throttle.value_or(0);
  if ((reasons & kThrottled) != 0) result.flags.push_back("throttled");
  if ((reasons & kPowerCap) != 0) result.flags.push_back("power_cap");
}

void measure_between(Machine& machine, const PlanPoint& point, const MeasureOptions& options,
                     PointResult& result) {
  const auto answer = machine.between_gpus(point.op, point.op == "p2p" ? 2 : point.tokens,
                                           point.bytes, options.timing);
  if (const auto* reason = std::get_if<Unsupported>(&answer)) {
    result.flags.push_back("skipped: " + reason->why);
  } else {
    Timing timing = std::get<Timing>(answer);
    timing.graph = true;  // ten in a row between two events: what launches them is not in it
    summarise(timing, 1, machine, result);
  }
}

void measure_time(Machine& machine, const PlanPoint& point, const MeasureOptions& options,
                  PointResult& result) {
  const Job job = job_of(machine, point);
  std::vector<std::unique_ptr<Set>> sets;
  sets.push_back(job.make(options.seed));
  for (const Operation& operation : sets[0]->operations()) {
    if (const auto reason = machine.cannot(operation)) {
      result.flags.push_back("skipped: " + reason->why);
      return;
    }
  }
  // First right, then fast.
  sets[0]->poison();
  for (const Operation& operation : sets[0]->operations()) machine.run(operation);
  if (const Buffer<Bf16>* output = sets[0]->output()) {
    const Buffer<std::uint64_t> nans(machine, std::vector<std::uint64_t>{0});
    machine.run(CountNanArgs{output->data(), static_cast<std::int64_t>(output->size()),
                             reinterpret_cast<unsigned long long*>(nans.data())});
    if (nans.read()[0] > 0) result.flags.push_back("unwritten");
  }
  result.relative_error = sets[0]->error(options.seed + 7);
  if (result.relative_error && !(*result.relative_error <= job.bound)) {
    result.flags.push_back("wrong");
  }

  if (point.cold) {
    const double enough = options.cold_over_l2 * static_cast<double>(machine.info().l2_bytes);
    const double wanted = std::ceil(enough / std::max(job.set_bytes, 1.0));
    const int count = static_cast<int>(std::min<double>(wanted, options.most_sets));
    for (int i = 1; i < count; ++i) {
      try {
        sets.push_back(job.make(options.seed + static_cast<std::uint64_t>(i) * 1000));
      } catch (const OutOfMemory&) {
        break;
      }
    }
  }
  const bool cold = !point.cold || job.set_bytes <= 0 ||
                    static_cast<double>(sets.size()) * job.set_bytes >=
                        options.cold_over_l2 * static_cast<double>(machine.info().l2_bytes);
  std::vector<Operations> programs;
  for (const auto& set : sets) programs.push_back(set->operations());
  TimingRequest request = options.timing;
  // NVML's power is a mean over a second: a load of three, which is read in its middle.
  if (point.role == "power") request.least_seconds = request.most_seconds = kPowerSeconds;
  const Timing timing = machine.time(programs, request);
  summarise(timing, job.executions, machine, result);
  if (!cold) result.flags.push_back("not_cold");
}

}  // namespace

PointResult measure(Machine& machine, const PlanPoint& point, const MeasureOptions& options) {
  PointResult result;
  try {
    if (point.op == "memory") {
      measure_memory(machine, point, result);
    } else if (const std::string reason = unfit(point); !reason.empty()) {
      result.flags.push_back("failed: " + reason);
    } else if (is_between_gpus(point.op)) {
      measure_between(machine, point, options, result);
    } else {
      measure_time(machine, point, options, result);
    }
  } catch (const LeftOut& left_out) {
    result.flags.push_back(std::string("skipped: ") + left_out.what());
  } catch (const std::exception& error) {
    std::string what = error.what();
    std::replace(what.begin(), what.end(), ';', ',');
    result.flags.push_back("failed: " + what);
  }
  return result;
}

}  // namespace moesim::validation::cuda
