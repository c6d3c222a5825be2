#include "tools/report/serving_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/units_text.h"
#include "tools/report/text_report.h"
#include "workloads/report/report.h"

namespace moesim::tools {
namespace {

using workloads::serving::Quantiles;
using workloads::serving::ServingReport;

// A drain that is a larger part of the time than this is told.
constexpr double kShortDrain = 0.05;

std::string time(double ms) {
  return sim::to_text(sim::picoseconds_rounded_up(ms * 1e9));
}

void add_line(const char* name, const Quantiles& q, const ServingReport& r, const char* metric,
              std::string& out) {
  if (q.count == 0) return;
  out += fmt::format("  {:<13} {:>10}  {:>10}  {:>10}  {:>10}", name, time(q.mean), time(q.median),
                     time(q.p90), time(q.p99));
  if (const auto band = r.interval.find(metric); band != r.interval.end()) {
    out += fmt::format("   {} to {}", time(band->second.p10), time(band->second.p90));
  }
  out += '\n';
}

// "TTFT 2 s, TPOT 80 ms", of each request.
std::string each_text(workloads::serving::Targets targets) {
  targets.statistics.clear();
  return text_of(targets);
}

void add_scaled(const workloads::serving::ScaledPool& pool, std::string& out) {
  out += fmt::format(
      "  {:<13} {:.2f} in use on average, at most {} of {} to {}; {} started, {} closed; {:.3g} "
      "GPU-hours ({:.3g} with all {} all the time)\n",
      pool.name, pool.mean, pool.most_used, pool.least, pool.most, pool.started, pool.closed,
      pool.gpu_hours, pool.gpu_hours_of_most, pool.most);
}

void add_answer(const ServingReport& r, const workloads::Report& report,
                const workloads::serving::ServingQuestion& q, std::string& out) {
  out += fmt::format("  requests      {} answered in {:.1f} s, {:.2f} requests/s", r.completed,
                     r.duration_s, r.request_throughput);
  if (r.failed > 0) out += fmt::format("; {} refused", r.failed);
  if (r.partial) out += "; BROKEN OFF, what follows is of those";
  const double gpus = r.gpus_in_use();
  out +=
      fmt::format("\n  throughput    {:.0f} tokens/s out, {:.1f} per GPU ({}); {:.0f} in and out\n",
                  r.output_throughput, r.output_throughput / std::max(gpus, 1.0),
                  r.scaled.empty() ? fmt::format("{} GPUs", r.gpus)
                                   : fmt::format("{:.1f} of {} GPUs in use", gpus, r.gpus),
                  r.total_token_throughput);
  if (r.drain_s > kShortDrain * r.duration_s) {
    out += fmt::format(
        "                until the last answer: {:.1f} s, {:.0f} % of the time, are after the last "
        "request came\n",
        r.drain_s, 100 * r.drain_s / r.duration_s);
  }
  for (const auto& pool : r.scaled) add_scaled(pool, out);
  add_energy(report, out);
  if (r.attained) {
    const bool met = *r.attained >= r.attained_target;
    out += fmt::format(
        "  targets       {}: {:.1f} % of requests in all, {:.1f} % asked: {}; goodput "
        "{:.2f} requests/s\n",
        each_text(q.targets), 100 * *r.attained, 100 * r.attained_target, met ? "met" : "MISSED",
        r.request_goodput.value_or(0));
  }
  for (const auto& target : q.targets.statistics) {
    const double value = workloads::serving::value_of(r, target),
                 most = sim::to_us(target.most) / 1e3;
    out += fmt::format("  target        {} {}: {}: {}\n", name_of(target),
                       sim::to_text(target.most), time(value), value <= most ? "met" : "MISSED");
  }
  out += "\n                      mean         p50         p90         p99";
  out += r.interval.empty() ? "\n" : "   80 % interval of the mean\n";
  add_line("TTFT", r.ttft, r, "mean_ttft_ms", out);
  add_line("TPOT", r.tpot, r, "mean_tpot_ms", out);
  add_line("ITL", r.itl, r, "mean_itl_ms", out);
  add_line("latency", r.e2el, r, "mean_e2el_ms", out);
}

void add_ttft(const ServingReport& r, std::string& out) {
  const auto& p = r.ttft_parts_ms;
  std::vector<std::pair<const char*, double>> parts{{"client and network", p.client},
                                                    {"front end and router", p.router},
                                                    {"queue", p.queue},
                                                    {"reading the prompt", p.prefill},
                                                    {"cache transfer", p.transfer},
                                                    {"first decode", p.first_decode}};
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  out += "\n  where the time to the first token goes\n";
  for (const auto& [name, ms] : parts) {
    if (ms > 0)
      out += fmt::format("    {:>5.1f} %  {:>10}  {}\n", 100 * ms / r.ttft.mean, time(ms), name);
  }
}

// Where the slow gaps between tokens come from (serving_report.h).
void add_tail(const ServingReport& r, std::string& out) {
  if (!r.itl_tail) return;
  const auto& t = *r.itl_tail;
  const auto percent = [](double share) { return std::nearbyint(100 * share) + 0.0; };  // no "-0"
  out += fmt::format(
      "  ITL's tail    p99 is {:.2f} times p50: {:.0f} % by what else is in a pass, {:.0f} % by "
      "waiting for passes of others, {:.0f} % by routing\n",
      t.p99_over_p50, percent(t.composition), percent(t.queues), percent(t.routing));
}

void add_engine(const ServingReport& r, std::string& out) {
  out += fmt::format(
      "\n  iterations    {} of {} on average, {:.0f} tokens (p99 {:.0f}); busy {:.0f} % of the "
      "time\n",
      r.iterations, time(r.iteration_ms), r.tokens_per_iteration_mean, r.tokens_per_iteration_p99,
      100 * r.busy_share);
  out += fmt::format("  sequences     {:.1f} run (at most {}), {:.1f} wait (at most {})\n",
                     r.running_mean, r.running_max, r.waiting_mean, r.waiting_max);
  out += fmt::format(
      "  cache         {} blocks of {} tokens a dp rank, {:.0f} % used (at most {:.0f} %)",
      r.kv_blocks, r.kv_block_tokens, 100 * r.kv_usage_mean, 100 * r.kv_usage_max);
  out += fmt::format("; {} preemptions", r.preemptions);
  if (r.prefix_hit_rate > 0)
    out += fmt::format("; {:.0f} % of prompts cached", 100 * r.prefix_hit_rate);
  out += '\n';
  if (r.accepted_per_step > 1) {
    out += fmt::format("  speculation   {:.2f} tokens a pass\n", r.accepted_per_step);
  }
  if (r.balance_ratio < 0.995 || r.dummy_iterations > 0) {
    out +=
        fmt::format("  dp ranks      mean / fullest {:.2f}; {} idle passes beside others' work\n",
                    r.balance_ratio, r.dummy_iterations);
  }
  add_tail(r, out);
  if (r.padding_share > 0.005) {
    out += fmt::format("  padding       {:.1f} % of rows; {:.0f} % of iterations from graphs\n",
                       100 * r.padding_share, 100 * r.graph_share);
  }
}

// Who brings it: a share of the saturation is the load's own doing only where nobody waits.
std::string load_share(const workloads::serving::ServingQuestion& q, double share) {
  const auto* laws = std::get_if<workloads::serving::RequestLaws>(&q.requests);
  const std::string percent = fmt::format("{:.0f} % of it", 100 * share);
  if (q.client.concurrency) {
    const bool closed =
        laws != nullptr && laws->arrivals.law == workloads::serving::ArrivalLaw::Closed;
    return closed ? fmt::format("{} clients, who wait for their answers, bring {}",
                                *q.client.concurrency, percent)
                  : fmt::format("with {} in flight at most it serves {}", *q.client.concurrency,
                                percent);
  }
  if (laws != nullptr && !laws->arrivals.has_rate())
    return fmt::format("of requests that come at once it serves {}", percent);
  return fmt::format("this load is {}", percent);
}

void add_bounds(const ServingReport& r, const workloads::serving::ServingQuestion& q,
                std::string& out) {
  sim::Duration all{};
  for (const sim::Duration d : r.factors) all += d;
  if (all == sim::Duration{}) return;
  std::vector<std::size_t> order;
  for (std::size_t f = 0; f < workloads::kFactors; ++f) order.push_back(f);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return r.factors[a] > r.factors[b]; });
  out += "\n  what bounds the iterations\n";
  for (const std::size_t f : order) {
    const double share =
        static_cast<double>(r.factors[f].count()) / static_cast<double>(all.count());
    if (share < 0.005) continue;
    out += fmt::format("    {:>5.1f} %  {}\n", 100 * share, workloads::kFactorNames[f]);
  }
  if (r.saturation) {
    const auto& s = *r.saturation;
    out += fmt::format("\n  saturation    at about {:.2f} requests/s ({}): {}\n", s.capacity, s.by,
                       load_share(q, 1 - s.distance));
  }
}

}  // namespace

std::string serving_text(const ServingReport& r, const workloads::Report& report,
                         const workloads::serving::ServingQuestion& question) {
  std::string out = fmt::format("{}\n  {}\n\n", report.title, report.what);
  add_answer(r, report, question, out);
  if (r.completed > 0) {
    add_ttft(r, out);
    add_engine(r, out);
    add_bounds(r, question, out);
  }
  add_memory(report, out);
  out += fmt::format(
      "\n  self-check    {} iterations played again: off by {:.2f} % on average, {:.2f} % at "
      "most\n",
      r.iteration_error.checks, r.iteration_error.mean_percent, r.iteration_error.max_percent);
  add_trust(report, out);
  add_notes(report, out);
  return out;
}

std::string serving_trace(const workloads::serving::PlayedService& played) {
  std::string out = "{\"traceEvents\":[\n";
  const char* separator = "";
  for (std::size_t i = 0; i < played.iterations.size(); ++i) {
    out += fmt::format(
        "{}{{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":{},\"args\":{{\"name\":\"replica "
        "{}\"}}}}",
        separator, i, i);
    separator = ",\n";
    for (const auto& one : played.iterations[i]) {
      const double begin = sim::to_us(one.begin - sim::Time{}),
                   length = sim::to_us(one.end - one.begin);
      const char* name = one.prompt_tokens == 0 ? (one.decodes == 0 ? "idle pass" : "decode")
                         : one.decodes == 0     ? "prefill"
                                                : "mixed";
      out += fmt::format(
          "{}{{\"name\":\"{}\",\"ph\":\"X\",\"pid\":{},\"tid\":0,\"ts\":{:.6f},\"dur\":{:.6f},"
          "\"args\":{{\"prompt_tokens\":{},\"decodes\":{},\"waiting\":{}}}}}",
          separator, name, i, begin, length, one.prompt_tokens, one.decodes, one.waiting);
    }
  }
  return out + "\n]}\n";
}

}  // namespace moesim::tools
