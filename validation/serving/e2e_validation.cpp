#include "validation/serving/e2e_validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <filesystem>
#include <map>
#include <mutex>
#include <span>
#include <thread>
#include <tuple>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "validation/confidence.h"
#include "workloads/run_serving.h"
#include "workloads/scenario.h"

namespace moesim::validation {
namespace {

using workloads::Scenario;
using workloads::serving::Service;

// A cluster file as it is, or with as many nodes of eight as it takes.
std::string cluster_of(const E2eRow& row, const std::string& configs) {
  constexpr std::int64_t kNode = 8;
  const std::string device = row.system.substr(0, row.system.find('_'));
  const std::int64_t gpus = row.gpus();
  const auto file = [&](const std::string& name) {
    return fmt::format("{}/clusters/{}.yaml", configs, name);
  };
  if (device == "gb200") return file("gb200-nvl72");
  if (device == "a100" && gpus <= kNode)
    return fmt::format("{{file: {}, gpus_per_node: {}}}", file("a100-1x8"), gpus);
  if (gpus <= kNode) {
    return file(fmt::format("{}-1x{}", device,
                            gpus <= 1   ? 1
                            : gpus <= 2 ? 2
                            : gpus <= 4 ? 4
                                        : kNode));
  }
  return fmt::format("{{file: {}, nodes: {}}}", file(device + (device == "b200" ? "-4x8" : "-8x8")),
                     (gpus + kNode - 1) / kNode);
}

std::string sizes_of(const workloads::Parallelism& p) {
  return fmt::format("{{tp: {}, dp: {}, ep: {}, etp: {}{}}}", p.tp, p.dp, p.ep, p.etp,
                     p.pp > 1 ? fmt::format(", pp: {}", p.pp) : "");
}

// The numbers that a version begins with: 0.5.6.post2 is 0, 5, 6.
std::vector<int> numbers_of(std::string_view version) {
  std::vector<int> numbers;
  while (!version.empty()) {
    int number = 0;
    const char* end = version.data() + version.size();
    const auto [rest, error] = std::from_chars(version.data(), end, number);
    if (error != std::errc()) break;
    numbers.push_back(number);
    if (rest == end || *rest != '.') break;
    version.remove_prefix(static_cast<std::size_t>(rest - version.data()) + 1);
  }
  return numbers;
}

// Its file: of those that ship the first that is not older than the row's version (0.16 is of all
// 0.16.x), by its plain name, the newest, where all are or where the row has none.
std::string engine_of(const E2eRow& row, const std::string& configs) {
  const std::vector<int> version = numbers_of(row.version);
  std::map<std::vector<int>, std::string> files;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(configs + "/engines", none)) {
    const std::string name = entry.path().stem().string();
    if (name.starts_with(row.engine + "-"))
      files[numbers_of(std::string_view(name).substr(row.engine.size() + 1))] = name;
  }
  for (const auto& [numbers, name] : files) {
    const auto asked = std::span(version).first(std::min(numbers.size(), version.size()));
    if (!asked.empty() && !std::ranges::lexicographical_compare(numbers, asked)) return name;
  }
  return row.engine;
}

// What the checkpoints of these rows hold. gpt-oss is stored in four bits. NVIDIA's FP4 checkpoints
// of mixtures (DeepSeek-R1-0528-FP4, MiniMax-M2.5-NVFP4: hf_quant_config.json, exclude_modules)
// leave attention in 16 bits; those of dense models do not. Zhipu's fp8 has a scale a channel, not
// a block (GLM-4.5-FP8 config.json, quantization_config).
std::string precision_of(const E2eRow& row, const RunOptions& run) {
  const auto has = [&](const char* part) { return row.model.find(part) != std::string::npos; };
  const bool hopper = row.system.starts_with("h");
  const bool dense = has("Llama") || has("Qwen3-32B");
  std::string weights;
  if (!has("gpt-oss")) {
    if (row.precision == "fp4") weights = dense ? "nvfp4" : "nvfp4, attention: bf16";
    if (row.precision == "fp8") weights = dense || has("GLM") ? "fp8" : "fp8_block";
  }
  const bool wide = row.engine == "vllm" || (row.engine == "sglang" && hopper);
  return fmt::format("{{{}kv_cache: {}}}", weights.empty() ? "" : "weights: " + weights + ", ",
                     !run.cache.empty() ? run.cache
                     : wide             ? "bf16"
                                        : "fp8");
}

// What the run set otherwise than its engine does by itself.
std::string scheduler_of(const RunOptions& run) {
  std::string text;
  const auto add = [&](const char* key, const std::optional<std::int64_t>& value) {
    if (value) text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", key, *value);
  };
  add("tokens", run.tokens);
  add("sequences", run.sequences);
  add("chunk", run.chunk);
  add("receive_interval", run.receive_interval);
  add("balance_iterations", run.balance);
  if (run.ahead) text += fmt::format("{}ahead: {}", text.empty() ? "" : ", ", *run.ahead);
  if (run.batch_wait) {
    text += fmt::format("{}batch_wait: {{iterations: {}, share: {}}}", text.empty() ? "" : ", ",
                        *run.batch_wait, run.batch_wait_share.value_or(0));
  }
  return text;
}

std::string kernels_of(const RunOptions& run) {
  std::string text = run.moe.empty() ? "" : "moe: " + run.moe;
  if (!run.all_to_all.empty())
    text += (text.empty() ? "" : ", ") + std::string("all_to_all: ") + run.all_to_all;
  return text;
}

// Engines of an aggregated row, and apart so many of each kind.
std::string pools_of(const E2eRow& row) {
  if (!row.prefill) return row.workers > 1 ? fmt::format("  replicas: {}\n", row.workers) : "";
  const ApartRun none, &run = row.apart ? *row.apart : none;
  const auto pool = [](const char* name, std::int64_t workers, const workloads::Parallelism& p,
                       const RunOptions& of) {
    const std::string scheduler = scheduler_of(of), kernels = kernels_of(of);
    return fmt::format(
        "{}: {{replicas: {}, parallelism: {}{}{}{}{}}}", name, workers, sizes_of(p),
        kernels.empty() ? "" : fmt::format(", kernels: {{{}}}", kernels),
        scheduler.empty() ? "" : fmt::format(", scheduler: {{{}}}", scheduler),
        of.memory_fraction ? fmt::format(", kv: {{memory: {}}}", *of.memory_fraction) : "",
        of.graph_sizes.empty()
            ? ""
            : fmt::format(", graphs: {{sizes: [{}], pad: true}}", of.graph_sizes));
  };
  return fmt::format("  pools: {{{}, {}}}\n",
                     pool("prefill", row.prefill->workers, row.prefill->layout, run.reads),
                     pool("decode", row.workers, row.layout, run.generates));
}

// DeepSeek's 256 experts do not divide over 24 or 48 ranks: recipes of such widths have 32 twice
// (ep-num-redundant-experts).
std::string placement_of(const E2eRow& row) {
  constexpr std::int64_t kExperts = 256;
  if (!row.prefill || row.model.find("DeepSeek") == std::string::npos) return "";
  const bool divides = kExperts % row.layout.ep == 0 && kExperts % row.prefill->layout.ep == 0;
  return divides ? "" : "placement: {redundant: 32}\n";
}

// As the row says.
std::string load_of(const MeasuredLoad& load, std::int64_t clients) {
  const bool is_open = load.at_once || load.rate > 0;
  const std::string law = load.rate > 0  ? fmt::format("constant, rate: {} /s", load.rate)
                          : load.at_once ? "at_once"
                                         : "closed";
  const std::string prefix =
      load.prefixes == 0
          ? ""
          : fmt::format(", prefix: {{groups: {}, tokens: {}}}", load.prefixes, load.prefix_tokens);
  return fmt::format(
      "  requests: {{arrivals: {{law: {}}}, input: {}, output: {}{}, count: {}}}\n{}", law,
      load.input, load.output, prefix, load.requests,
      is_open ? "" : fmt::format("  client: {{concurrency: {}}}\n", clients));
}

// InferenceX draws lengths in 0.8 to 1 of the nominal, in powers of two; others send them as they
// are said.
std::string load_of(const E2eRow& row, const E2eOptions& options) {
  const std::int64_t counted =
      options.full ? 10 * row.concurrency : std::max<std::int64_t>(3 * row.concurrency, 64);
  const auto low = [&](std::int64_t most) {
    return row.swept() ? std::max<std::int64_t>(1, most * 8 / 10) : most;
  };
  return fmt::format(
      "  requests: {{arrivals: {{law: closed}}, input: {{law: uniform, low: {}, high: {}}}, "
      "output: {{law: uniform, low: {}, high: {}}}, count: {}, warm_up: {}}}\n"
      "  client: {{concurrency: {}}}\n",
      low(row.isl), row.isl, low(row.osl), row.osl, counted + row.concurrency, row.concurrency,
      row.concurrency);
}

std::string graphs_of(const RunOptions& run) {
  return run.graphs ? fmt::format("  graphs: {{up_to: {}}}\n", *run.graphs) : "";
}

workloads::Parallelism layout_of(const E2eRow& row, const RunOptions& run) {
  workloads::Parallelism p = row.layout;
  // The recipe's word, where it is known, on what the label leaves open.
  const bool parallel = run.expert_parallel.value_or(p.ep > 1);
  const bool open = p.dp == 1 && row.label_ep == 1 && (p.ep == 1 || p.etp == 1);
  if (open && parallel != (p.ep > 1)) std::swap(p.ep, p.etp);
  return p;
}

// A load that a row gives is played as it is. Else the benchmark sends ten times the concurrency,
// the first wave at once to an idle engine: a tenth of what it averages. A shorter run has the same
// wave, and less of what follows.
void measure(const workloads::serving::PlayedService& played, std::int64_t concurrency,
             E2ePrediction& p) {
  if (p.row.load) {
    p.ttft_ms = played.report.ttft.mean;
    p.tpot_ms = played.report.tpot.mean;
    p.throughput = played.report.output_throughput;
    return;
  }
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

// A row with what it was run with, and its scenario.
struct Asked {
  std::size_t row = 0;
  RunOptions run = {};
  std::unique_ptr<Scenario> scenario = {};  // none where it cannot be asked for
};

void ask(const E2eRow& row, const E2eOptions& options, Asked& asked, E2ePrediction& p) {
  try {
    const auto document =
        sim::io::YamlDocument::parse(scenario_of(row, options, asked.run), row.name);
    asked.scenario = std::make_unique<Scenario>(
        workloads::read_scenario(document.root(), {.engines = options.configs + "/engines"}));
  } catch (const sim::ConfigError& error) {
    p.failed = "the deployment cannot be asked for";
    if (row.load) p.failed += fmt::format(": {}: {}", row.deployment(), error.what());
  }
}

// The rows of one deployment, one after another: they share their prices.
void predict_group(const std::vector<E2eRow>& rows, std::vector<Asked>& group,
                   const E2eOptions& options, std::vector<E2ePrediction>& predictions,
                   const std::function<void()>& done) {
  for (Asked& asked : group) ask(rows[asked.row], options, asked, predictions[asked.row]);
  // Prices reach as far as the first of them asks.
  std::ranges::stable_sort(group, std::greater<>(), [](const Asked& asked) {
    return asked.scenario ? workloads::serving::fullest_of(asked.scenario->serving()->pool) : 0;
  });
  std::unique_ptr<Service> first;
  std::optional<workloads::CostBand> band;
  for (const Asked& asked : group) {
    const E2eRow& row = rows[asked.row];
    E2ePrediction& p = predictions[asked.row];
    p.row = row;
    try {
      if (!asked.scenario) throw sim::ConfigError("it was refused");
      const auto& question = *asked.scenario->serving();
      std::unique_ptr<Service> own;
      if (first) {
        own = std::make_unique<Service>(question, *first);
      } else {
        first = std::make_unique<Service>(asked.scenario->deployment, question);
      }
      Service& service = own ? *own : *first;
      auto played = service.play();
      measure(played, row.concurrency, p);
      p.share = shares_of(played.report.factors);
      if (!band) band = workloads::band_of(service);
      p.models = *band;
      workloads::write_intervals(service, *band, {}, played.report);
      const auto ends = [&](const char* metric, double mean, double value) {
        const auto& [low, high] = played.report.interval.at(metric);
        return std::pair{value * low / mean, value * high / mean};
      };
      std::tie(p.tpot_low, p.tpot_high) = ends("mean_tpot_ms", played.report.tpot.mean, p.tpot_ms);
      std::tie(p.ttft_low, p.ttft_high) = ends("mean_ttft_ms", played.report.ttft.mean, p.ttft_ms);
      const auto rate = played.report.interval.at("output_throughput");
      p.throughput_low = rate.p10;
      p.throughput_high = rate.p90;
      const auto bare = service.bare_steps(row.concurrency);
      p.bare_tpot_ms = sim::to_us(bare.decode) / 1000;
      p.bare_ttft_ms = sim::to_us(bare.prompt) / 1000;
      const double each = question.mean_input() + question.mean_output() / 2;
      const auto ranks = static_cast<double>(question.pool.layout.dp * question.pool.replicas);
      p.demand = static_cast<double>(row.concurrency) * each /
                 (ranks * static_cast<double>(service.cache().blocks * service.cache().block));
    } catch (const sim::InfeasibleError& error) {
      p.failed = "does not fit, or is never served";
      if (row.load) p.failed += ": " + row.deployment();
    } catch (const sim::ConfigError& error) {
      if (p.failed.empty()) p.failed = "the deployment cannot be asked for";
    }
    done();
  }
}

// Recipes that dispatch at low latency alone size its buffers for their batches, which they do not
// all say.
std::string engine_text(const std::string& file, const RunOptions& run) {
  if (run.all_to_all.empty()) return file;
  return fmt::format("{{file: {}, dispatch_tokens: {}}}", file, workloads::kHighestDispatchTokens);
}

// Rows that can share prices: of one deployment, whose options change neither formats nor layout,
// nor what a worker that reads takes at once.
std::string prices_of(const E2eRow& row, const RunOptions& run) {
  const RunOptions none, &reads = row.apart ? row.apart->reads : none;
  return fmt::format("{} {} {} {} {} {} {} {} {} {} {}", row.deployment(), run.cache,
                     kernels_of(run), kernels_of(reads), layout_of(row, run).ep,
                     run.ahead.value_or(true), run.graphs.value_or(0), run.graph_sizes,
                     reads.tokens.value_or(0), reads.chunk.value_or(0), reads.graph_sizes);
}

}  // namespace

std::string scenario_of(const E2eRow& row, const E2eOptions& options, const RunOptions& run) {
  const workloads::Parallelism p = layout_of(row, run);
  const std::string kernels = row.apart ? "" : kernels_of(run);
  const bool deepseek = row.model.find("DeepSeek") != std::string::npos;
  return fmt::format(
      "name: {}\nmodel: {}\ncluster: {}\nprecision: {}\n"
      "parallelism: {}\nrouting: {}\nnetwork: bound\n"
      "engine: {}\n{}serving:\n{}  kv: {{prefix_cache: {}{}}}\n"
      "  scheduler: {{{}}}\n{}  iteration: {{draws: 1, checks: 16}}\n{}{}{}",
      row.name, options.model_file(row.model), cluster_of(row, options.configs),
      precision_of(row, run), sizes_of(p),
      deepseek ? "{law: log_normal, skew: 1}" : "{law: uniform}",
      engine_text(engine_of(row, options.configs), run), placement_of(row),
      row.load ? load_of(*row.load, row.concurrency) : load_of(row, options),
      row.load && row.load->prefixes > 0,
      run.memory_fraction && !row.apart ? fmt::format(", memory: {}", *run.memory_fraction) : "",
      row.apart ? "" : scheduler_of(run), graphs_of(run), pools_of(row),
      kernels.empty() ? "" : fmt::format("kernels: {{{}}}\n", kernels),
      run.ahead == false ? "host: {overlapped: false}\n" : "");
}

std::vector<E2ePrediction> predict_e2e(const std::vector<E2eRow>& rows, const E2eOptions& options) {
  std::vector<E2ePrediction> predictions(rows.size());
  std::map<std::string, std::vector<Asked>> by_deployment;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Asked asked{.row = i};
    if (rows[i].load) {
      asked.run = rows[i].load->run;
    } else if (rows[i].apart) {
      asked.run = rows[i].apart->generates;
      predictions[i].option_sets = rows[i].apart->sets;
    } else if (options.runs != nullptr) {
      const OptionTable::Found found = options.runs->of(rows[i]);
      asked.run = found.options;
      predictions[i].option_sets = found.sets;
      predictions[i].options_assumed = found.assumed;
    }
    by_deployment[prices_of(rows[i], asked.run)].push_back(std::move(asked));
  }
  std::vector<std::vector<Asked>*> groups;
  for (auto& [name, group] : by_deployment) groups.push_back(&group);
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

}  // namespace moesim::validation
