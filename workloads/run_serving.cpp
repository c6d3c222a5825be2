#include "workloads/run_serving.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/error.h"
#include "workloads/describe_serving.h"
#include "workloads/report/energy.h"
#include "workloads/report/summary.h"

namespace moesim::workloads {
namespace {

using serving::ServingQuestion;
using serving::ServingReport;
using serving::StepCost;

// The sampled iterations as a step's report: where their time goes, how far it can be trusted.
CostBand write_checked(serving::Service& service, const std::vector<StepCost::Checked>& checks,
                       Report& report) {
  CostBand band;
  const auto summarised = [&](auto wanted, Report& into) {
    Summary summary;
    bool any = false;
    for (const StepCost::Checked& one : checks) {
      if (!wanted(one.batch)) continue;
      const StepOutcome step = service.cost().player().outcome(one.batch, one.routing);
      double output = 0;
      for (std::size_t dp = 0; dp < static_cast<std::size_t>(service.deployment().layout.dp);
           ++dp) {
        output += static_cast<double>(tokens_of(one.batch.of(dp)));
      }
      summary.add(step, output);
      any = true;
    }
    Summary::Ends ends;
    if (any) {
      summary.write(service.deployment(), into);
      ends = summary.common_ends(into);
    }
    return ends;
  };
  const auto part = [&](auto wanted, double& low, double& high) {
    Report ignored;
    const Summary::Ends ends = summarised(wanted, ignored);
    low = ends.low;
    high = ends.high;
  };
  part([](const Batch& b) { return !has_prompts(b); }, band.decode_low, band.decode_high);
  part([](const Batch& b) { return has_prompts(b); }, band.prompt_low, band.prompt_high);
  // Only prompts, or only decodes, were in the sample: the other's is taken to be as wide.
  const auto stand_in = [](double& low, double& high, double l, double h) {
    if (low == 1 && high == 1) low = l, high = h;
  };
  stand_in(band.decode_low, band.decode_high, band.prompt_low, band.prompt_high);
  stand_in(band.prompt_low, band.prompt_high, band.decode_low, band.decode_high);
  summarised([](const Batch&) { return true; }, report);
  return band;
}

// Requests a second that clients who do not wait for answers sent; nothing where they do, or where
// all came at once.
std::optional<double> asked_rate(const std::deque<serving::RequestRecord>& records,
                                 const ServingQuestion& question) {
  if (question.client.concurrency || records.size() < 2) return {};
  const auto [first, last] = std::ranges::minmax(records, {}, &serving::RequestRecord::sent);
  if (first.sent == last.sent) return {};
  return static_cast<double>(records.size() - 1) / sim::to_seconds(last.sent - first.sent);
}

}  // namespace

RunResult run_serving(const Scenario& scenario, const RunOptions& options) {
  serving::Service service(scenario.deployment, std::get<ServingQuestion>(scenario.question));
  return run_serving(scenario, service, options);
}

RunResult run_serving(const Scenario& scenario, serving::Service& service,
                      const RunOptions& options) {
  const auto& question = std::get<ServingQuestion>(scenario.question);
  const Deployment& d = scenario.deployment;

  RunResult result;
  serving::PlayOptions play{
      .keep_iterations = options.keep_timeline, .sample = options.sample, .stop = options.stop};
  if (options.progress) {
    play.progress = [&](std::int64_t completed) { options.progress(completed, 0); };
  }
  auto played = std::make_shared<serving::PlayedService>(service.play(play));
  ServingReport& serving = played->report;
  serving.what = what_of(d, question);
  if (serving.completed == 0 && !serving.partial) {
    throw sim::ConfigError(
        fmt::format("{}: serving.requests: no request is left to count after {} of warm-up",
                    scenario.inputs.scenario.generic_string(), question.warm_up));
  }

  const auto checks = service.cost().check();
  serving.iteration_error = serving::error_of(checks);
  Report& report = result.report;
  report.gpus = question.gpus();
  const CostBand band = write_checked(service, checks, report);
  report.interval.erase("tokens_per_s_per_gpu");  // of the iterations alone
  report.doubt.clear();
  serving.extrapolated_share = report.extrapolated.share;
  for (std::string& note : notes_of_engines(d, question)) serving.notes.push_back(std::move(note));
  if (auto note = note_of_context(played->records, d.model.max_context))
    serving.notes.push_back(std::move(*note));
  if (!serving.partial) {
    write_intervals(service, band, options.stop, serving);
    serving.itl_tail =
        itl_tail(serving, service.play({.stop = options.stop}, {.mean = true}).report);
  }
  // However many clients there are: with those that there are it is what they get.
  auto saturation = service.capacity({});
  saturation.rate = asked_rate(played->records, question).value_or(serving.request_throughput);
  // Prompts that lie in the cache, or a batch that is never full, can carry more than the estimate.
  saturation.capacity = std::max(saturation.capacity, serving.request_throughput);
  saturation.distance = 1 - saturation.rate / saturation.capacity;
  serving.saturation = saturation;

  write_scenario(scenario, report);
  report.what = serving.what;
  report.routing = service.cost().player().routing();
  report.tokens_per_s = serving.output_throughput;
  const double gpus = serving.gpus_in_use();
  report.tokens_per_s_per_gpu = report.tokens_per_s / gpus;
  report.survives = survives_of(service.cost().player(), service.deployment());
  // Of pools the sampled iterations are those of one alone.
  if (!question.prefill && report.tokens_per_s > 0 && report.step_time_us.mean > 0) {
    Report engine = report;  // the work is of one
    engine.gpus = question.pool.layout.gpus();
    const double engines = gpus / static_cast<double>(engine.gpus);
    engine.tokens_per_s /= engines;
    report.energy = energy_of(engine, service.deployment(), "output", serving.busy_share);
    if (report.energy) report.energy->total_w *= engines;
  }
  if (const auto found = serving.interval.find("output_throughput");
      found != serving.interval.end()) {
    report.interval["tokens_per_s_per_gpu"] = {.p10 = found->second.p10 / gpus,
                                               .p90 = found->second.p90 / gpus};
  }
  for (const std::string& note : serving.notes) report.notes.push_back(note);
  const GpuMemory& gpu = service.cache().memory.gpu();
  report.memory = {.weights = gpu.weights(),
                   .kv_cache = gpu.kv_cache,
                   .activations = gpu.activations,
                   .buffers = gpu.buffers + gpu.graphs,
                   .context = gpu.context,
                   .peak = gpu.peak(),
                   .capacity = service.cache().memory.capacity,
                   .fits = true};
  result.serving = std::move(played);
  return result;
}

CostBand with_structure(const CostBand& models, double structure) {
  return {.decode_low = with_structure(models.decode_low, structure, true),
          .decode_high = with_structure(models.decode_high, structure, false),
          .prompt_low = with_structure(models.prompt_low, structure, true),
          .prompt_high = with_structure(models.prompt_high, structure, false)};
}

// Each holds what the run itself came to: a faster engine may give a request to another replica,
// and end later.
void write_intervals(serving::Service& service, const CostBand& models,
                     const std::function<bool()>& stop, ServingReport& report) {
  const CostBand band = with_structure(models, kTokenStructure);
  const auto at = [&](double decode, double prompt) {
    return service.play({.stop = stop}, {.decode_factor = decode, .prompt_factor = prompt}).report;
  };
  const ServingReport low = at(band.decode_low, band.prompt_low),
                      high = at(band.decode_high, band.prompt_high);
  const auto add = [&](const char* name, const auto& value) {
    const auto [least, most] = std::minmax({value(low), value(report), value(high)});
    report.interval[name] = {least, most};
  };
  // What the first token has of structure beyond that of the runs.
  constexpr double kBeyond = kFirstStructure * kFirstStructure - kTokenStructure * kTokenStructure;
  const auto add_first = [&](const char* name, const auto& value) {
    add(name, value);
    const double middle = value(report);
    if (middle <= 0) return;
    auto& [least, most] = report.interval[name];
    least = middle * with_structure(least / middle, std::sqrt(kBeyond), true);
    most = middle * with_structure(most / middle, std::sqrt(kBeyond), false);
  };
  using R = const ServingReport&;
  add_first("mean_ttft_ms", [](R r) { return r.ttft.mean; });
  add_first("p99_ttft_ms", [](R r) { return r.ttft.p99; });
  add("mean_tpot_ms", [](R r) { return r.tpot.mean; });
  add("p99_tpot_ms", [](R r) { return r.tpot.p99; });
  add("mean_itl_ms", [](R r) { return r.itl.mean; });
  add("p99_itl_ms", [](R r) { return r.itl.p99; });
  add("mean_e2el_ms", [](R r) { return r.e2el.mean; });
  add("request_throughput", [](R r) { return r.request_throughput; });
  add("output_throughput", [](R r) { return r.output_throughput; });
  if (low.attained && high.attained && report.attained) {
    add("attained", [](R r) { return *r.attained; });
  }
}

CostBand band_of(serving::Service& service) {
  Report ignored;
  return write_checked(service, service.cost().check(), ignored);
}

}  // namespace moesim::workloads
