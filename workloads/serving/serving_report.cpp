#include "workloads/serving/serving_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "sim/io/csv.h"
#include "sim/quantile.h"

namespace moesim::workloads::serving {
namespace {

using sim::io::Json;

double ms(sim::Duration d) {
  return static_cast<double>(d.count()) * 1e-9;
}

Quantiles of_histogram(const DurationHistogram& h) {
  if (h.count() == 0) return {};
  const auto q = [&](double p) { return h.quantile(p) * 1e-9; };
  return {.mean = h.mean() * 1e-9,
          .median = q(0.5),
          .deviation = h.deviation() * 1e-9,
          .p90 = q(0.9),
          .p95 = q(0.95),
          .p99 = q(0.99),
          .count = h.count()};
}

bool within(const RequestRecord& r, const Targets& t) {
  if (t.ttft && r.ttft() > *t.ttft) return false;
  if (t.e2el && r.latency() > *t.e2el) return false;
  if (t.tpot && r.output > 1 && (r.latency() - r.ttft()) / (r.output - 1) > *t.tpot) return false;
  return true;
}

void add(Json& json, const char* name, const Quantiles& q) {
  const auto key = [&](const char* stat) { return std::string(stat) + "_" + name + "_ms"; };
  json[key("mean")] = q.mean;
  json[key("median")] = q.median;
  json[key("std")] = q.deviation;
  json[key("p50")] = q.median;
  json[key("p90")] = q.p90;
  json[key("p95")] = q.p95;
  json[key("p99")] = q.p99;
}

}  // namespace

Quantiles quantiles_of(std::vector<double> sample) {
  Quantiles q{.count = static_cast<std::int64_t>(sample.size())};
  if (sample.empty()) return q;
  std::sort(sample.begin(), sample.end());
  const auto n = static_cast<double>(sample.size());
  q.mean = std::accumulate(sample.begin(), sample.end(), 0.0) / n;
  double squares = 0;
  for (const double x : sample) squares += (x - q.mean) * (x - q.mean);
  q.deviation = std::sqrt(squares / n);
  const auto at = [&](double p) { return sim::quantile_of_sorted(sample, p); };
  q.median = at(0.5);
  q.p90 = at(0.9);
  q.p95 = at(0.95);
  q.p99 = at(0.99);
  return q;
}

namespace {

constexpr double kPicosecondsAnHour = 3.6e15;

ScaledPool scaled_pool(const Pool& pool, const Autoscaler& scaler, double span) {
  const double gpus = static_cast<double>(pool.together * pool.layout.gpus());
  return {
      .name = pool.name,
      .least = pool.scale->least,
      .most = pool.scale->most,
      .mean = scaler.time_in_use() / std::max(1.0, span),
      .most_used = scaler.most_in_use(),
      .started = scaler.started(),
      .closed = scaler.closed(),
      .gpu_hours = gpus * scaler.time_in_use() / kPicosecondsAnHour,
      .gpu_hours_of_most = gpus * static_cast<double>(pool.scale->most) * span / kPicosecondsAnHour,
      .changes = scaler.changes()};
}

void add_scaled(const ServingLoop& loop, const ServingQuestion& question, double span,
                ServingReport& report) {
  const auto add = [&](const Pool& pool, std::size_t index) {
    const double gpus = static_cast<double>(pool.layout.gpus());
    if (const Autoscaler* scaler = loop.autoscaler(index)) {
      report.scaled.push_back(scaled_pool(pool, *scaler, span));
      report.mean_gpus += gpus * static_cast<double>(pool.together) * report.scaled.back().mean;
    } else {
      report.mean_gpus += gpus * static_cast<double>(pool.replicas);
    }
  };
  if (question.prefill) add(*question.prefill, 1);
  add(question.pool, 0);
}

}  // namespace

ServingReport summarise(const ServingLoop& loop, const ServingQuestion& question) {
  ServingReport report;
  std::vector<double> ttft, tpot, e2el, queue, transfer;
  sim::Time first = sim::Time::max(), last = sim::Time::min(), last_sent = sim::Time::min();
  std::int64_t good = 0, cached = 0;
  auto& parts = report.ttft_parts_ms;
  for (const RequestRecord& r : loop.records()) {
    if (r.id < question.warm_up) continue;
    ++report.completed;
    first = std::min(first, r.sent);
    last = std::max(last, r.last);
    last_sent = std::max(last_sent, r.sent);
    report.total_input_tokens += r.input;
    report.total_output_tokens += r.output;
    report.preemptions += r.preemptions;
    report.recomputed_tokens += r.recomputed;
    cached += r.cached;
    ttft.push_back(ms(r.ttft()));
    e2el.push_back(ms(r.latency()));
    queue.push_back(ms(r.scheduled - r.queued));
    if (question.prefill) transfer.push_back(ms(r.moved - r.prefilled));
    if (r.output > 1) {
      tpot.push_back(ms(r.latency() - r.ttft()) / static_cast<double>(r.output - 1));
    }
    if (within(r, question.targets)) ++good;
    const sim::Duration sending = question.client.sending(r.input);
    parts.client += ms(sending + question.client.receive);
    parts.router += ms(r.queued - r.sent - sending);
    parts.queue += ms(r.scheduled - r.queued);
    parts.prefill += ms(r.prefilled - r.scheduled);
    parts.transfer += ms(r.moved - r.prefilled);
    parts.first_decode += ms(r.emitted - r.moved);
  }
  report.failed = loop.failed();
  report.max_concurrent_requests = loop.most_in_flight();
  if (report.completed == 0) return report;
  const auto n = static_cast<double>(report.completed);
  for (double* part : {&parts.client, &parts.router, &parts.queue, &parts.prefill, &parts.transfer,
                       &parts.first_decode}) {
    *part /= n;
  }
  report.duration_s = sim::to_seconds(last - first);
  report.drain_s = sim::to_seconds(last - last_sent);
  report.request_throughput = n / report.duration_s;
  report.output_throughput = static_cast<double>(report.total_output_tokens) / report.duration_s;
  report.total_token_throughput =
      static_cast<double>(report.total_input_tokens + report.total_output_tokens) /
      report.duration_s;
  report.attained_target = question.targets.attained;
  if (question.targets.of_requests()) {
    report.attained = static_cast<double>(good) / n;
    report.request_goodput = static_cast<double>(good) / report.duration_s;
  }
  report.ttft = quantiles_of(std::move(ttft));
  report.tpot = quantiles_of(std::move(tpot));
  report.e2el = quantiles_of(std::move(e2el));
  report.queue = quantiles_of(std::move(queue));
  report.transfer = quantiles_of(std::move(transfer));
  report.itl = of_histogram(loop.counters().gaps);
  report.itl_passes = of_histogram(loop.counters().passes);
  report.prefix_hit_rate =
      static_cast<double>(cached) / static_cast<double>(report.total_input_tokens);

  const RunCounters& c = loop.counters();
  const auto iterations = static_cast<double>(std::max<std::int64_t>(c.iterations, 1));
  const auto busy = static_cast<double>(std::max<std::int64_t>(c.busy.count(), 1));
  report.iterations = c.iterations;
  report.dummy_iterations = c.dummies;
  report.tokens_per_iteration_mean = static_cast<double>(c.tokens) / iterations;
  if (c.iterations > 0) report.tokens_per_iteration_p99 = c.iteration_tokens.quantile(0.99);
  report.iteration_ms = ms(c.busy) / iterations;
  report.running_mean = c.running / busy;
  report.waiting_mean = c.waiting / busy;
  report.running_max = c.most_running;
  report.waiting_max = c.most_waiting;
  report.padding_share = static_cast<double>(c.padding) /
                         static_cast<double>(std::max<std::int64_t>(c.padding + c.tokens, 1));
  report.balance_ratio = c.balance / iterations;
  report.graph_share = static_cast<double>(c.graph_iterations) / iterations;
  report.accepted_per_step =
      c.decodes > 0 ? 1 + static_cast<double>(c.accepted) / static_cast<double>(c.decodes) : 1;
  const auto span = static_cast<double>((loop.now() - sim::Time{}).count());
  const Autoscaler* scaler = loop.autoscaler(0);
  const double engine_time =
      scaler == nullptr ? span * static_cast<double>(question.pool.replicas)
                        : scaler->time_in_use() * static_cast<double>(question.pool.together);
  report.busy_share = busy / std::max(1.0, engine_time);
  add_scaled(loop, question, span, report);
  const ReplicaRules& rules = loop.replica(0).rules();
  const auto blocks = static_cast<double>(rules.blocks * rules.ranks);
  report.kv_blocks = rules.blocks;
  report.kv_block_tokens = rules.block;
  report.kv_usage_mean = c.blocks / busy / blocks;
  report.kv_usage_max = static_cast<double>(c.most_blocks) / blocks;
  return report;
}

std::optional<ItlTail> itl_tail(const ServingReport& run, const ServingReport& even) {
  const auto tail_of = [](const Quantiles& q) { return q.p99 - q.median; };
  const auto ratio_of = [](const Quantiles& q) { return q.median > 0 ? q.p99 / q.median : 1; };
  const double tail = tail_of(run.itl);
  if (!(tail > 0)) return {};
  return ItlTail{.tail_ms = tail,
                 .routing = (tail - tail_of(even.itl)) / tail,
                 .composition = tail_of(even.itl_passes) / tail,
                 .queues = (tail_of(even.itl) - tail_of(even.itl_passes)) / tail,
                 .p99_over_p50 = ratio_of(run.itl),
                 .p99_over_p50_by_routing = ratio_of(run.itl) / ratio_of(even.itl)};
}

double value_of(const ServingReport& report, const StatisticTarget& target) {
  const std::array<const Quantiles*, 4> all{&report.ttft, &report.tpot, &report.itl, &report.e2el};
  const Quantiles& q = *all[static_cast<std::size_t>(target.of)];
  const std::array values{q.mean, q.median, q.p90, q.p95, q.p99};
  return values[static_cast<std::size_t>(target.statistic)];
}

bool meets(const ServingReport& report, const Targets& targets) {
  if (report.completed == 0) return false;
  if (targets.of_requests() && report.attained.value_or(0) < targets.attained) return false;
  return std::ranges::all_of(targets.statistics, [&](const StatisticTarget& target) {
    return value_of(report, target) <= sim::to_us(target.most) / 1e3;
  });
}

namespace {

Json scaled_json(const ScaledPool& pool) {
  Json json{{"pool", pool.name},
            {"min", pool.least},
            {"max", pool.most},
            {"mean_in_use", pool.mean},
            {"max_in_use", pool.most_used},
            {"started", pool.started},
            {"closed", pool.closed},
            {"gpu_hours", pool.gpu_hours},
            {"gpu_hours_of_max", pool.gpu_hours_of_most},
            {"changes", Json::array()}};
  for (const ScaleChange& change : pool.changes) {
    json["changes"].push_back({{"time_s", sim::to_seconds(change.at - sim::Time{})},
                               {"in_use", change.in_use},
                               {"open", change.open},
                               {"wanted", change.wanted}});
  }
  return json;
}

}  // namespace

Json to_json(const ServingReport& r) {
  Json json;
  json["completed"] = r.completed;
  json["failed"] = r.failed;
  json["partial"] = r.partial;
  json["duration_s"] = r.duration_s;
  json["drain_s"] = r.drain_s;
  json["total_input_tokens"] = r.total_input_tokens;
  json["total_output_tokens"] = r.total_output_tokens;
  json["request_throughput"] = r.request_throughput;
  json["request_goodput"] = r.request_goodput ? Json(*r.request_goodput) : Json(nullptr);
  json["attained"] = r.attained ? Json(*r.attained) : Json(nullptr);
  json["output_throughput"] = r.output_throughput;
  json["total_token_throughput"] = r.total_token_throughput;
  json["max_concurrent_requests"] = r.max_concurrent_requests;
  add(json, "ttft", r.ttft);
  add(json, "tpot", r.tpot);
  add(json, "itl", r.itl);
  add(json, "e2el", r.e2el);
  add(json, "queue", r.queue);
  add(json, "transfer", r.transfer);
  json["iterations"] = r.iterations;
  json["dummy_iterations"] = r.dummy_iterations;
  json["iteration_ms"] = {{"mean", r.iteration_ms}};
  json["tokens_per_iteration"] = {{"mean", r.tokens_per_iteration_mean},
                                  {"p99", r.tokens_per_iteration_p99}};
  json["running"] = {{"mean", r.running_mean}, {"max", r.running_max}};
  json["waiting"] = {{"mean", r.waiting_mean}, {"max", r.waiting_max}};
  json["kv_usage"] = {{"mean", r.kv_usage_mean}, {"max", r.kv_usage_max}};
  json["kv_blocks"] = r.kv_blocks;
  json["kv_block_tokens"] = r.kv_block_tokens;
  if (r.prefill_kv_blocks > 0) json["prefill_kv_blocks"] = r.prefill_kv_blocks;
  json["preemptions"] = r.preemptions;
  json["recomputed_tokens"] = r.recomputed_tokens;
  json["prefix_hit_rate"] = r.prefix_hit_rate;
  json["accepted_per_step"] = r.accepted_per_step;
  json["padding_share"] = r.padding_share;
  json["balance_ratio"] = r.balance_ratio;
  json["graph_share"] = r.graph_share;
  json["busy_share"] = r.busy_share;
  for (const ScaledPool& pool : r.scaled) json["autoscale"].push_back(scaled_json(pool));
  const auto& parts = r.ttft_parts_ms;
  json["ttft_parts_ms"] = {{"client", parts.client},     {"router", parts.router},
                           {"queue", parts.queue},       {"prefill", parts.prefill},
                           {"transfer", parts.transfer}, {"first_decode", parts.first_decode}};
  if (const auto& t = r.itl_tail) {
    json["itl_tail"] = {
        {"p99_minus_p50_ms", t->tail_ms},  {"routing", t->routing},
        {"composition", t->composition},   {"queues", t->queues},
        {"p99_over_p50", t->p99_over_p50}, {"p99_over_p50_by_routing", t->p99_over_p50_by_routing}};
  }
  json["factors_us"] = Json::object();
  for (std::size_t f = 0; f < kFactors; ++f) {
    json["factors_us"][std::string(kFactorNames[f])] = sim::to_us(r.factors[f]);
  }
  if (r.saturation) {
    json["saturation"] = {{"rate", r.saturation->rate},
                          {"capacity", r.saturation->capacity},
                          {"distance", r.saturation->distance},
                          {"by", r.saturation->by}};
  }
  json["iteration_error"] = {{"mean_percent", r.iteration_error.mean_percent},
                             {"p99_percent", r.iteration_error.p99_percent},
                             {"max_percent", r.iteration_error.max_percent},
                             {"checks", r.iteration_error.checks}};
  if (r.extrapolated_share) json["extrapolated_share"] = *r.extrapolated_share;
  json["interval"] = Json::object();
  for (const auto& [metric, band] : r.interval) {
    json["interval"][metric] = {{"p10", band.p10}, {"p90", band.p90}};
  }
  json["notes"] = r.notes;
  return json;
}

std::string requests_csv(const std::deque<RequestRecord>& records) {
  sim::io::CsvWriter csv({"request", "replica", "rank", "input_tokens", "output_tokens",
                          "arrival_s", "queued_s", "scheduled_s", "prefilled_s", "moved_s",
                          "first_token_s", "last_token_s", "preemptions", "cached_tokens"});
  std::vector<const RequestRecord*> sorted;
  for (const RequestRecord& r : records) sorted.push_back(&r);
  std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->id < b->id; });
  const auto at = [](sim::Time t) { return sim::to_seconds(t - sim::Time{}); };
  for (const RequestRecord* r : sorted) {
    csv.add(r->id).add(r->replica).add(r->rank).add(r->input).add(r->output);
    csv.add(at(r->sent)).add(at(r->queued)).add(at(r->scheduled)).add(at(r->prefilled));
    csv.add(at(r->moved)).add(at(r->first)).add(at(r->last)).add(r->preemptions).add(r->cached);
    csv.end_row();
  }
  return csv.text();
}

std::string timeseries_csv(const std::vector<ServiceSample>& samples) {
  sim::io::CsvWriter csv({"time_s", "running", "waiting", "kv_blocks", "tokens", "replicas"});
  std::int64_t before = 0;
  for (const ServiceSample& s : samples) {
    csv.add(sim::to_seconds(s.at - sim::Time{})).add(s.running).add(s.waiting).add(s.blocks);
    csv.add(s.tokens - before).add(s.replicas);
    csv.end_row();
    before = s.tokens;
  }
  return csv.text();
}

}  // namespace moesim::workloads::serving
