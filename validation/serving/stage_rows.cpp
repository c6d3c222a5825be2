#include "validation/serving/stage_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "validation/serving/measured_cells.h"

namespace moesim::validation {
namespace {

using sim::io::CsvTable;

constexpr std::size_t kMostStages = 2;

// What one of these workloads sends: tokens as the servers counted them, with the frame of a chat.
// Each user of each system prompt has one text, which comes again and again.
struct Workload {
  std::string_view name;
  std::int64_t input = 0, output = 0, texts = 0;
  std::array<double, kMostStages> rates = {};  // requests a second, by stage; 0: not said
  double seconds = 0;                          // of a stage
};
constexpr std::array<Workload, 4> kWorkloads{{{"general", 571, 245, 45, {8, 20}, 600},
                                              {"codegen", 589, 243, 44, {5, 10}, 600},
                                              {"roleplay", 782, 248, 50, {6, 0}, 1200},
                                              {"general-lite", 571, 245, 45, {0, 6}, 600}}};
constexpr std::string_view kOverloaded = "reasoning";

E2eRow row_of(const CsvTable& t, std::size_t i, const Workload& workload, double rate) {
  const auto text = [&](std::string_view column) { return t.text(i, t.column(column)); };
  const std::int64_t tp = count_at(t, i, "tp"), dp = count_at(t, i, "dp");
  std::string system(text("hardware"));
  std::ranges::transform(system, system.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const double latency = above_zero(t, i, "e2e_mean_ms") / 1000;
  E2eRow row{.name = t.where(i).substr(t.where(i).rfind('/') + 1),
             .engine = "vllm",
             .version = "0.15.1",
             .model = std::string(text("model")),
             .system = system + "_sxm",
             .precision = "bf16",
             .mode = "constant rate",
             .isl = workload.input,
             .osl = workload.output,
             // As many as are in it at a time, by Little's law.
             .concurrency = std::max<std::int64_t>(1, std::llround(rate * latency)),
             .layout = {.tp = tp, .etp = tp},
             .workers = dp,  // a token of theirs takes as long as one engine's
             .ttft_ms = above_zero(t, i, "ttft_mean_ms"),
             .tpot_ms = above_zero(t, i, "itl_mean_ms")};
  constexpr std::int64_t kSequences = 128;
  MeasuredLoad& load = row.load.emplace();
  load.name = fmt::format("{}, {} /s", workload.name, rate);
  load.requests = std::llround(rate * workload.seconds);
  load.rate = rate;
  load.prefixes = workload.texts;
  load.prefix_tokens = workload.input - 1;
  load.input = "1";
  load.output = fmt::format("{}", workload.output);
  load.run.tokens = count_at(t, i, "max_num_batched_tokens");
  load.run.sequences = kSequences;
  load.run.memory_fraction = above_zero(t, i, "gpu_memory_utilization");
  load.options = fmt::format("{} tokens, offload {}, memory {}", text("max_num_batched_tokens"),
                             text("cpu_offload"), text("gpu_memory_utilization"));
  return row;
}

}  // namespace

bool is_stage_table(const CsvTable& t) {
  return t.find_column("workload") && t.find_column("stage") && t.find_column("itl_mean_ms");
}

E2eRows read_stages(const CsvTable& t) {
  E2eRows all;
  std::map<std::string, std::int64_t> skipped;
  for (std::size_t i = 0; i < t.rows(); ++i) {
    const std::string name(t.text(i, t.column("workload")));
    const std::int64_t stage = t.integer(i, t.column("stage"));
    const auto workload = std::ranges::find(kWorkloads, name, &Workload::name);
    if (stage < 0) {
      ++skipped["a whole run, whose stages are rows"];
    } else if (name == kOverloaded) {
      ++skipped["its load was too much: two thirds of the requests failed"];
    } else if (workload == kWorkloads.end()) {
      ++skipped[fmt::format("what the workload \"{}\" sends is not known", name)];
    } else if (static_cast<std::size_t>(stage) >= kMostStages ||
               workload->rates[static_cast<std::size_t>(stage)] == 0) {
      ++skipped["the rate of its stage is not said"];
    } else {
      all.rows.push_back(row_of(t, i, *workload, workload->rates[static_cast<std::size_t>(stage)]));
    }
  }
  for (const auto& [reason, n] : skipped) all.skipped.push_back({reason, n});
  return all;
}

}  // namespace moesim::validation
