#include "workloads/run_serving.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/error.h"
#include "sim/units_text.h"
#include "workloads/deployment/layout_rules.h"
#include "workloads/report/describe.h"
#include "workloads/report/energy.h"
#include "workloads/report/summary.h"
#include "workloads/step/token_kernels.h"

namespace moesim::workloads {
namespace {

using serving::ServingQuestion;
using serving::ServingReport;
using serving::StepCost;

std::string lengths_text(const serving::Lengths& l) {
  using serving::LengthLaw;
  switch (l.law) {
    case LengthLaw::Constant:
      return fmt::format("{}", l.low);
    case LengthLaw::Uniform:
      return fmt::format("{} to {}", l.low, l.high);
    case LengthLaw::LogNormal:
      return fmt::format("about {:.0f} (log-normal)", l.median);
    case LengthLaw::Table:
    case LengthLaw::Histogram:
      break;
  }
  return fmt::format("{:.0f} on average ({})", l.mean(), l.file.filename().string());
}

// "a closed loop of 32 clients": each sends when it has its answer.
std::string clients_text(const ServingQuestion& q, const serving::Arrivals& arrivals) {
  std::string text = fmt::format("a closed loop of {} clients", q.client.concurrency.value_or(1));
  if (arrivals.think > sim::Duration{})
    text += fmt::format(", each {} after an answer", sim::to_text(arrivals.think));
  return text;
}

std::string load_text(const ServingQuestion& q) {
  std::string text;
  bool closed = false;
  if (const auto* laws = std::get_if<serving::RequestLaws>(&q.requests)) {
    const auto& arrivals = laws->arrivals;
    if (arrivals.has_rate() && arrivals.stages.size() == 1) {
      text = fmt::format("{:g} requests/s ({})", arrivals.stages[0].from,
                         serving::kArrivalLawNames[static_cast<std::size_t>(arrivals.law)]);
    } else if (arrivals.has_rate()) {
      text = fmt::format("{} stages of rates ({})", arrivals.stages.size(),
                         serving::kArrivalLawNames[static_cast<std::size_t>(arrivals.law)]);
    } else if (arrivals.law == serving::ArrivalLaw::Closed) {
      closed = true;
      text = clients_text(q, arrivals);
    } else {
      text = "all requests at once";
    }
    text += fmt::format(", {} tokens in, {} out", lengths_text(laws->input),
                        lengths_text(laws->output));
  } else {
    text = serving::text_of(std::get<serving::RequestTrace>(q.requests));
  }
  if (q.client.concurrency && !closed)
    text += fmt::format(", {} in flight at most", *q.client.concurrency);
  return text;
}

std::string engines_text(const Deployment& d, const serving::Pool& pool) {
  const std::string layout = layout_text(pool.layout);
  const std::int64_t most = pool.most_replicas();
  const std::string count = pool.scale
                                ? fmt::format("{} to {}", pool.scale->least * pool.together, most)
                                : std::to_string(most);
  return fmt::format("{} engine{} of {} {}{}", count, most == 1 ? "" : "s", pool.layout.gpus(),
                     d.cluster.device.name, layout.empty() ? "" : ", " + layout);
}

std::string deployment_text(const Deployment& d, const ServingQuestion& q) {
  std::string text = d.model.name + ": ";
  if (q.prefill) {
    text += fmt::format("prompts on {}; tokens on {}", engines_text(d, *q.prefill),
                        engines_text(d, q.pool));
  } else {
    text += engines_text(d, q.pool);
  }
  return text;
}

std::string what_of(const Deployment& d, const ServingQuestion& q) {
  return deployment_text(d, q) + "; " + load_text(q);
}

bool reads_prompts(const Batch& batch) {
  return has_prompts(batch);
}

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
  part([](const Batch& b) { return !reads_prompts(b); }, band.decode_low, band.decode_high);
  part([](const Batch& b) { return reads_prompts(b); }, band.prompt_low, band.prompt_high);
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

// Engines refuse what the model does not take; here it is served, and said.
std::optional<std::string> note_of_context(const std::deque<serving::RequestRecord>& records,
                                           std::int64_t most) {
  if (most <= 0) return {};
  const auto longer = std::ranges::count_if(
      records, [&](const serving::RequestRecord& r) { return r.input + r.output > most; });
  if (longer == 0) return {};
  return fmt::format(
      "{} of {} requests are longer than the model's {} tokens: they are served here, and an "
      "engine refuses them",
      longer, records.size(), most);
}

// Engines are priced as one, the first: a slow GPU counts for all of them, or for none.
std::optional<std::string> note_of_slow(const Deployment& d, const ServingQuestion& q) {
  const std::int64_t one = q.pool.layout.gpus();
  if (d.cluster.slow.empty() || q.gpus() == one) return {};
  return fmt::format(
      "engines are priced as one on the first {} GPUs: a slow GPU of cluster.faults counts for all "
      "engines if it is among those, and for none elsewhere",
      one);
}

// Prompts are held back by iterations and by a share of the budget; the time has no part in it.
std::optional<std::string> note_of_wait(const serving::Pool& pool) {
  const sim::Duration timeout = pool.scheduler.batch_wait.timeout;
  if (timeout == sim::Duration{}) return {};
  return fmt::format("{}: batch_wait.timeout of {} is not played: no request waits for that time",
                     pool.name, sim::to_text(timeout));
}

// What the engine's file says that a service does not play either, and the blocks that ranks cut.
std::vector<std::string> notes_of_engines(const Deployment& d, const ServingQuestion& q) {
  Engine engine = d.engine;  // a service plays these three
  engine.graphs.reset();
  engine.memory.reset();
  engine.scheduler.reset();
  std::vector<std::string> notes = notes_of(engine);
  if (auto note = note_of_slow(d, q)) notes.push_back(std::move(*note));
  const auto add = [&](const serving::Pool& pool) {
    for (std::string& note : block_notes(d.engine, d.model, pool.layout, d.formats))
      if (std::ranges::find(notes, note) == notes.end()) notes.push_back(std::move(note));
    if (auto note = note_of_wait(pool)) notes.push_back(std::move(*note));
    const std::int64_t most = std::min(pool.scheduler.sequences, pool.scheduler.tokens);
    if (auto note =
            note_of_large_decodes(deployment_of(d, pool), most * (1 + pool.scheduler.draft)))
      notes.push_back(std::move(*note));
  };
  if (q.prefill) add(*q.prefill);
  add(q.pool);
  return notes;
}

std::string targets_text(const serving::Targets& t) {
  const std::string text = text_of(t);
  return t.of_requests() ? fmt::format("{}, {:.1f} % of requests", text, 100 * t.attained) : text;
}

}  // namespace

RunResult run_serving(const Scenario& scenario, const RunOptions& options) {
  const auto& question = std::get<ServingQuestion>(scenario.question);
  const Deployment& d = scenario.deployment;
  serving::Service service(d, question);

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
