#include "workloads/serving_capacity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/error.h"
#include "workloads/describe_serving.h"
#include "workloads/run_serving.h"

namespace moesim::workloads {

using serving::ServingQuestion;
using serving::ServingReport;
using serving::StepCost;

ServingCapacity find_capacity(const Scenario& scenario, const RunOptions& options,
                              const CapacitySearch& wanted) {
  const ServingQuestion* asked = scenario.serving();
  if (asked == nullptr || !rate_of(*asked)) {
    throw sim::ConfigError(fmt::format(
        "{}: capacity is a rate: expected a scenario with serving.requests.arrivals.rate, or with "
        "a trace whose requests come one after another",
        scenario.inputs.scenario.generic_string()));
  }
  if (!asked->targets.any()) {
    throw sim::ConfigError(fmt::format(
        "{}: capacity is what a deployment carries within targets: give serving.targets, "
        "such as {{ttft: 2 s, tpot: 80 ms}}",
        scenario.inputs.scenario.generic_string()));
  }
  if (asked->scales()) {
    throw sim::ConfigError(fmt::format(
        "{}: capacity is of engines whose number stays: leave out autoscale, or give replicas "
        "in its place",
        scenario.inputs.scenario.generic_string()));
  }
  serving::Service service(scenario.deployment, *asked);
  ServingCapacity capacity{.what = deployment_text(scenario.deployment, *asked),
                           .target = targets_text(asked->targets),
                           .gpus = asked->gpus()};
  capacity.saturation = service.capacity(asked->client.concurrency);
  const auto stopped = [&] { return options.stop && options.stop(); };

  const auto at_rate = [&](double rate, const StepCost::Mode& mode) {
    ServingQuestion load = *asked;
    set_rate(load, rate);
    ++capacity.runs;
    if (options.progress) options.progress(capacity.runs, 0);
    return service.play(load, {.stop = options.stop}, mode).report;
  };
  const auto meets = [&](const ServingReport& report) {
    return serving::meets(report, asked->targets);
  };
  // Between a rate that attains the targets and one that does not. Beyond saturation a run attains
  // them only by being short: its queue has no time to grow. Broken off, both are of the runs that
  // came to their end.
  struct Bracket {
    double good = 0, bad = 0;
    bool capped = false;
  };
  const auto search = [&](const StepCost::Mode& mode, double start) {
    Bracket found;
    const auto ask = [&](double rate) {
      const bool good = meets(at_rate(rate, mode));
      if (!stopped()) (good ? found.good : found.bad) = rate;
      return good;
    };
    const double most = capacity.saturation.capacity / mode.decode_factor;
    double rate = start > 0 ? std::min(start, most) : most;
    while (ask(rate) && !stopped()) {
      if (rate == most) {
        found.capped = true;
        return found;
      }
      rate = std::min(1.25 * rate, most);
    }
    for (int i = 0; i < 12 && found.good == 0 && !stopped(); ++i) {
      ask(found.bad / (i == 0 ? 1.25 : 2));
    }
    while (found.good > 0 && found.bad / found.good > 1 + wanted.within && !stopped()) {
      ask(std::sqrt(found.good * found.bad));
    }
    return found;
  };
  const auto broken_off = [&] {
    capacity.partial = stopped();
    return capacity.partial;
  };
  const Bracket middle = search({}, wanted.start);
  capacity.p50 = capacity.attained_at = middle.good;
  capacity.missed_at = middle.bad;
  capacity.p50_capped = middle.capped;
  if (broken_off()) return capacity;
  if (capacity.p50 == 0) {
    throw sim::InfeasibleError(
        fmt::format("{}: no rate attains {}: at {:.3g} requests/s it is missed still",
                    scenario.inputs.scenario.generic_string(), capacity.target,
                    capacity.saturation.capacity / 2560));
  }
  capacity.at = at_rate(capacity.p50, {});
  for (std::string& note : notes_of_engines(scenario.deployment, *asked))
    capacity.at.notes.push_back(std::move(note));
  if (broken_off()) return capacity;
  const CostBand band = with_structure(band_of(service), wanted.structure);
  // With a guess: as much less, or more, as its steps are longer or shorter.
  const auto guess = [&](double factor) { return wanted.start > 0 ? capacity.p50 / factor : 0; };
  const Bracket low = search({.decode_factor = band.decode_high, .prompt_factor = band.prompt_high},
                             guess(band.decode_high));
  if (broken_off()) return capacity;
  const Bracket high = search({.decode_factor = band.decode_low, .prompt_factor = band.prompt_low},
                              guess(band.decode_low));
  if (broken_off()) return capacity;
  capacity.p10 = low.good;
  capacity.p10_capped = low.capped;
  capacity.p90 = high.good;
  capacity.p90_capped = high.capped;
  return capacity;
}

}  // namespace moesim::workloads
