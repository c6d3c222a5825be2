#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "validation/serving/e2e_choices.h"
#include "validation/serving/e2e_validation.h"
#include "validation/statistics.h"

namespace moesim::validation {
namespace {

enum class Of { Tpot, Ttft, Throughput, BareTpot, BareTtft };

struct Compared {
  double measured = 0, predicted = 0, low = 0, high = 0;
};
Compared compared(const E2ePrediction& p, Of of) {
  switch (of) {
    case Of::Tpot:
      return {p.row.tpot_ms, p.tpot_ms, p.tpot_low, p.tpot_high};
    case Of::Ttft:
      return {p.row.ttft_ms, p.ttft_ms, p.ttft_low, p.ttft_high};
    case Of::BareTpot:
      return {p.row.tpot_ms, p.bare_tpot_ms, p.bare_tpot_ms, p.bare_tpot_ms};
    case Of::BareTtft:
      return {p.row.ttft_ms, p.bare_ttft_ms, p.bare_ttft_ms, p.bare_ttft_ms};
    case Of::Throughput:
      break;
  }
  return {p.row.throughput, p.throughput, p.throughput_low, p.throughput_high};
}

// What was not measured is left out.
void add(const E2ePrediction& p, Of of, double more, std::vector<double>& errors,
         std::int64_t& inside) {
  const Compared c = compared(p, of);
  if (!(c.measured > 0)) return;
  errors.push_back(100 * ((more + c.predicted) / c.measured - 1));
  if (more + c.low <= c.measured && c.measured <= more + c.high) ++inside;
}

// `more`: milliseconds on top of what is predicted of a row.
template <class Wanted, class More>
E2eError error_of(const std::vector<E2ePrediction>& all, Of of, const Wanted& wanted,
                  const More& more) {
  std::vector<double> errors;
  std::int64_t inside = 0;
  for (const E2ePrediction& p : all) {
    if (p.failed.empty() && wanted(p)) add(p, of, more(p), errors, inside);
  }
  E2eError error = error_over(errors);
  if (!errors.empty())
    error.coverage80 = 100 * static_cast<double>(inside) / static_cast<double>(errors.size());
  return error;
}

template <class Wanted>
E2eError error_of(const std::vector<E2ePrediction>& all, Of of, const Wanted& wanted) {
  return error_of(all, of, wanted, [](const E2ePrediction&) { return 0.0; });
}

std::string host_key(const E2eRow& row) {
  return fmt::format("{} {} {}", row.engine, row.version, row.model);
}

std::map<std::string, double> host_of(const std::vector<E2ePrediction>& all) {
  constexpr std::int64_t kFewClients = 8, kShortPrompt = 1024;
  std::vector<const E2ePrediction*> small;
  for (const E2ePrediction& p : all) {
    if (p.failed.empty() && p.counts_for_ttft() && p.row.concurrency <= kFewClients &&
        p.row.isl <= kShortPrompt) {
      small.push_back(&p);
    }
  }
  std::map<std::string, double> host;
  for (const E2ePrediction& p : all) {
    if (host.contains(host_key(p.row))) continue;
    std::vector<double> version, engine;
    for (const E2ePrediction* other : small) {
      if (other->row.engine != p.row.engine || other->row.model == p.row.model) continue;
      const double beyond = other->row.ttft_ms - other->ttft_ms;
      engine.push_back(beyond);
      if (other->row.version == p.row.version) version.push_back(beyond);
    }
    if (engine.empty()) continue;
    host[host_key(p.row)] =
        std::max(0.0, quantile(version.empty() ? std::move(engine) : std::move(version), 0.5));
  }
  return host;
}

void sum_up_host(const std::vector<E2ePrediction>& all, E2eSummary& summary) {
  summary.host_ms = host_of(all);
  const auto more = [&](const E2ePrediction& p) { return summary.host_ms.at(host_key(p.row)); };
  const auto has_it = [&](const E2ePrediction& p) {
    return p.counts_for_ttft() && summary.host_ms.contains(host_key(p.row));
  };
  summary.ttft_with_host = error_of(all, Of::Ttft, has_it, more);
  for (const E2ePrediction& p : all) summary.ttft_with_host_by.try_emplace(p.row.engine);
  for (auto& [engine, error] : summary.ttft_with_host_by) {
    error = error_of(
        all, Of::Ttft,
        [&, &name = engine](const E2ePrediction& p) { return has_it(p) && p.row.engine == name; },
        more);
  }
}

const char* load_of(std::int64_t concurrency) {
  return concurrency <= 8     ? "1-8"
         : concurrency <= 32  ? "9-32"
         : concurrency <= 128 ? "33-128"
                              : "129-";
}

const char* options_of(const E2ePrediction& p) {
  if (p.options_assumed) return "assumed: TensorRT-LLM's tokens, isl + batch + 1,500";
  const std::int64_t sets = p.option_sets;
  return sets < 0 ? "not asked" : sets == 0 ? "none fits" : sets == 1 ? "known" : "one of several";
}

}  // namespace

E2eError error_over(const std::vector<double>& errors) {
  E2eError error{.n = static_cast<std::int64_t>(errors.size())};
  if (errors.empty()) return error;
  std::vector<double> absolute;
  double sum = 0;
  for (const double e : errors) {
    absolute.push_back(std::abs(e));
    sum += std::abs(e);
  }
  error.median = quantile(absolute, 0.5);
  error.p90 = quantile(absolute, 0.9);
  error.mean = sum / static_cast<double>(errors.size());
  error.bias = quantile(errors, 0.5);
  return error;
}

E2eSummary summarise_e2e(const std::vector<E2ePrediction>& all) {
  E2eSummary summary;
  const auto any = [](const E2ePrediction&) { return true; };
  const auto fair = [](const E2ePrediction& p) { return p.counts_for_ttft(); };
  summary.tpot = error_of(all, Of::Tpot, any);
  summary.ttft = error_of(all, Of::Ttft, fair);
  summary.ttft_all = error_of(all, Of::Ttft, any);
  summary.throughput = error_of(all, Of::Throughput, any);
  summary.bare_tpot = error_of(all, Of::BareTpot, any);
  summary.bare_ttft = error_of(all, Of::BareTtft, fair);
  const std::map<std::string, std::function<std::string(const E2ePrediction&)>> keys{
      {"engine", [](const E2ePrediction& p) { return p.row.engine; }},
      {"system", [](const E2ePrediction& p) { return p.row.system; }},
      {"model", [](const E2ePrediction& p) { return p.row.model; }},
      {"mode", [](const E2ePrediction& p) { return p.row.mode; }},
      {"load",
       [](const E2ePrediction& p) {
         return p.row.load ? p.row.load->name : std::string(load_of(p.row.concurrency));
       }},
      {"options", [](const E2ePrediction& p) { return std::string(options_of(p)); }},
      {"group", [](const E2ePrediction& p) { return p.row.group(); }}};
  for (const auto& [name, key] : keys) {
    for (const E2ePrediction& p : all) summary.by[name].try_emplace(key(p));
    for (auto& [value, errors] : summary.by[name]) {
      const auto of = [&k = key, &v = value](const E2ePrediction& p) { return k(p) == v; };
      errors = {error_of(all, Of::Tpot, of),
                error_of(all, Of::Ttft, [&](const auto& p) { return of(p) && fair(p); }),
                error_of(all, Of::Throughput, of)};
    }
  }
  const auto mean_of = [&](bool ttft, E2eError& mean) {
    for (const auto& [group, errors] : summary.by["group"]) {
      const E2eError& e = ttft ? errors.ttft : errors.tpot;
      if (e.n == 0) continue;
      ++mean.n;
      mean.median += e.median;
      mean.p90 += e.p90;
      mean.mean += e.mean;
      mean.bias += e.bias;
      mean.coverage80 += e.coverage80;
    }
    const auto n = static_cast<double>(std::max<std::int64_t>(mean.n, 1));
    for (double* value : {&mean.median, &mean.p90, &mean.mean, &mean.bias, &mean.coverage80}) {
      *value /= n;
    }
  };
  mean_of(false, summary.tpot_of_groups);
  mean_of(true, summary.ttft_of_groups);
  sum_up_host(all, summary);
  constexpr double kDiffer = 1.05;
  summary.tpot_ranking = pairs_of(questions_of(all, ChosenBy::UserSpeed), kDiffer);
  summary.rate_ranking = pairs_of(questions_of(all, ChosenBy::GpuRate), kDiffer);
  return summary;
}

}  // namespace moesim::validation
