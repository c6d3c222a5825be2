#include "validation/serving/e2e_validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <thread>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "validation/statistics.h"
#include "workloads/run_serving.h"
#include "workloads/scenario.h"

namespace moesim::validation {
namespace {

using workloads::Scenario;
using workloads::serving::Service;

std::string cluster_of(const E2eRow& row) {
  const std::string device = row.system.substr(0, row.system.find('_'));
  const std::int64_t gpus = row.layout.gpus();
  if (device == "gb200") return "gb200-nvl72";
  return fmt::format("{}-1x{}", device, gpus <= 1 ? 1 : gpus <= 2 ? 2 : gpus <= 4 ? 4 : 8);
}

// What the recipes of these rows say of formats. gpt-oss is stored in four bits.
std::string precision_of(const E2eRow& row) {
  const auto has = [&](const char* part) { return row.model.find(part) != std::string::npos; };
  const bool hopper = row.system.starts_with("h");
  std::string weights;
  if (!has("gpt-oss")) {
    if (row.precision == "fp4") weights = "nvfp4";
    if (row.precision == "fp8") weights = has("Llama") || has("Qwen3-32B") ? "fp8" : "fp8_block";
  }
  const bool wide = row.engine == "vllm" || (row.engine == "sglang" && hopper);
  return fmt::format("{{{}kv_cache: {}}}", weights.empty() ? "" : "weights: " + weights + ", ",
                     wide ? "bf16" : "fp8");
}

// The benchmark sends ten times the concurrency, the first wave at once to an idle engine: a tenth
// of what it averages. A shorter run has the same wave, and less of what follows.
void measure(const workloads::serving::PlayedService& played, std::int64_t concurrency,
             E2ePrediction& p) {
  struct Sum {
    double ttft = 0, tpot = 0, n = 0;
  } first, later;
  for (const auto& r : played.records) {
    Sum& sum = r.id < concurrency ? first : later;
    const double ttft = sim::to_us(r.ttft()) / 1000;
    sum.ttft += ttft;
    sum.tpot += (sim::to_us(r.latency()) / 1000 - ttft) /
                static_cast<double>(std::max<std::int64_t>(r.output - 1, 1));
    ++sum.n;
  }
  constexpr double kFirst = 0.1;
  p.ttft_ms = kFirst * first.ttft / first.n + (1 - kFirst) * later.ttft / later.n;
  p.tpot_ms = kFirst * first.tpot / first.n + (1 - kFirst) * later.tpot / later.n;
}

// The rows of one deployment, one after another: they share their prices.
void predict_group(const std::vector<E2eRow>& rows, const std::vector<std::size_t>& group,
                   const E2eOptions& options, std::vector<E2ePrediction>& predictions,
                   const std::function<void()>& done) {
  std::vector<std::unique_ptr<Scenario>> scenarios;  // outlive the services
  std::unique_ptr<Service> first;
  std::optional<workloads::CostBand> band;
  for (const std::size_t i : group) {
    E2ePrediction& p = predictions[i];
    p.row = rows[i];
    try {
      const auto document =
          sim::io::YamlDocument::parse(scenario_of(rows[i], options), rows[i].name);
      scenarios.push_back(std::make_unique<Scenario>(
          workloads::read_scenario(document.root(), {.engines = options.configs + "/engines"})));
      const auto& question = *scenarios.back()->serving();
      std::unique_ptr<Service> own;
      if (first) {
        own = std::make_unique<Service>(question, *first);
      } else {
        first = std::make_unique<Service>(scenarios.back()->deployment, question);
      }
      Service& service = own ? *own : *first;
      measure(service.play(), rows[i].concurrency, p);
      if (!band) band = workloads::band_of(service);
      p.tpot_low = p.tpot_ms * band->decode_low;
      p.tpot_high = p.tpot_ms * band->decode_high;
      p.ttft_low = p.ttft_ms * band->prompt_low;
      p.ttft_high = p.ttft_ms * band->prompt_high;
      const double each = question.mean_input() + question.mean_output() / 2;
      const auto ranks = static_cast<double>(question.pool.layout.dp * question.pool.replicas);
      p.demand = static_cast<double>(rows[i].concurrency) * each /
                 (ranks * static_cast<double>(service.cache().blocks * service.cache().block));
    } catch (const sim::InfeasibleError& error) {
      p.failed = "does not fit, or is never served";
    } catch (const sim::ConfigError& error) {
      p.failed = "the deployment cannot be asked for";
    }
    done();
  }
}

void add(const E2ePrediction& p, bool ttft, std::vector<double>& errors, std::int64_t& inside) {
  const double predicted = ttft ? p.ttft_ms : p.tpot_ms;
  const double measured = ttft ? p.row.ttft_ms : p.row.tpot_ms;
  errors.push_back(100 * (predicted / measured - 1));
  const double low = ttft ? p.ttft_low : p.tpot_low, high = ttft ? p.ttft_high : p.tpot_high;
  if (low <= measured && measured <= high) ++inside;
}

template <class Wanted>
E2eError error_of(const std::vector<E2ePrediction>& all, bool ttft, const Wanted& wanted) {
  std::vector<double> errors, absolute;
  std::int64_t inside = 0;
  for (const E2ePrediction& p : all) {
    if (p.failed.empty() && wanted(p)) add(p, ttft, errors, inside);
  }
  E2eError error{.n = static_cast<std::int64_t>(errors.size())};
  if (errors.empty()) return error;
  double sum = 0;
  for (const double e : errors) {
    absolute.push_back(std::abs(e));
    sum += std::abs(e);
  }
  error.median = quantile(absolute, 0.5);
  error.p90 = quantile(absolute, 0.9);
  error.mean = sum / static_cast<double>(errors.size());
  error.bias = quantile(errors, 0.5);
  error.coverage80 = 100 * static_cast<double>(inside) / static_cast<double>(errors.size());
  return error;
}

const char* load_of(std::int64_t concurrency) {
  return concurrency <= 8     ? "1-8"
         : concurrency <= 32  ? "9-32"
         : concurrency <= 128 ? "33-128"
                              : "129-";
}

}  // namespace

std::string scenario_of(const E2eRow& row, const E2eOptions& options) {
  const workloads::Parallelism& p = row.layout;
  const bool deepseek = row.model.find("DeepSeek") != std::string::npos;
  const std::int64_t counted =
      options.full ? 10 * row.concurrency : std::max<std::int64_t>(3 * row.concurrency, 64);
  const auto low = [](std::int64_t most) { return std::max<std::int64_t>(1, most * 8 / 10); };
  return fmt::format(
      "name: {}\nmodel: {}\ncluster: {}/clusters/{}.yaml\nprecision: {}\n"
      "parallelism: {{tp: {}, dp: {}, ep: {}, etp: {}}}\nrouting: {}\nnetwork: bound\n"
      "engine: {}\nserving:\n"
      "  requests: {{arrivals: {{law: closed}}, input: {{law: uniform, low: {}, high: {}}}, "
      "output: {{law: uniform, low: {}, high: {}}}, count: {}, warm_up: {}}}\n"
      "  client: {{concurrency: {}}}\n  kv: {{prefix_cache: false}}\n"
      "  iteration: {{draws: 1, checks: 4}}\n",
      row.name, options.model_file(row.model), options.configs, cluster_of(row), precision_of(row),
      p.tp, p.dp, p.ep, p.etp, deepseek ? "{law: log_normal, skew: 1}" : "{law: uniform}",
      row.engine, low(row.isl), row.isl, low(row.osl), row.osl, counted + row.concurrency,
      row.concurrency, row.concurrency);
}

std::vector<E2ePrediction> predict_e2e(const std::vector<E2eRow>& rows, const E2eOptions& options) {
  std::map<std::string, std::vector<std::size_t>> by_deployment;
  for (std::size_t i = 0; i < rows.size(); ++i) by_deployment[rows[i].deployment()].push_back(i);
  std::vector<const std::vector<std::size_t>*> groups;
  for (const auto& [name, group] : by_deployment) groups.push_back(&group);
  std::vector<E2ePrediction> predictions(rows.size());
  std::atomic<std::size_t> next{0};
  std::size_t finished = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    for (std::size_t g = next++; g < groups.size(); g = next++) {
      try {
        predict_group(rows, *groups[g], options, predictions, [&] {
          const std::lock_guard lock(mutex);
          if (options.progress) options.progress(++finished, rows.size());
        });
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = groups.size();
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int t = 1; t < options.threads; ++t) threads.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
  return predictions;
}

E2eSummary summarise_e2e(const std::vector<E2ePrediction>& all) {
  E2eSummary summary;
  const auto any = [](const E2ePrediction&) { return true; };
  const auto fair = [](const E2ePrediction& p) { return p.counts_for_ttft(); };
  summary.tpot = error_of(all, false, any);
  summary.ttft = error_of(all, true, fair);
  summary.ttft_all = error_of(all, true, any);
  const std::map<std::string, std::function<std::string(const E2eRow&)>> keys{
      {"engine", [](const E2eRow& r) { return r.engine; }},
      {"system", [](const E2eRow& r) { return r.system; }},
      {"model", [](const E2eRow& r) { return r.model; }},
      {"mode", [](const E2eRow& r) { return r.mode; }},
      {"load", [](const E2eRow& r) { return std::string(load_of(r.concurrency)); }},
      {"group", [](const E2eRow& r) { return r.group(); }}};
  for (const auto& [name, key] : keys) {
    for (const E2ePrediction& p : all) summary.by[name].try_emplace(key(p.row));
    for (auto& [value, errors] : summary.by[name]) {
      const auto of = [&k = key, &v = value](const E2ePrediction& p) { return k(p.row) == v; };
      errors = {error_of(all, false, of),
                error_of(all, true, [&](const auto& p) { return of(p) && fair(p); })};
    }
  }
  const auto mean_of = [&](bool ttft, E2eError& mean) {
    for (const auto& [group, errors] : summary.by["group"]) {
      const E2eError& e = ttft ? errors.second : errors.first;
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
  return summary;
}

}  // namespace moesim::validation
