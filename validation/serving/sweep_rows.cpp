#include "validation/serving/sweep_rows.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "validation/serving/measured_cells.h"

namespace moesim::validation {
namespace {

using sim::io::CsvTable;

// What the runs had in common: lengths even in 0.8 to 1 of the nominal; experts by Marlin.
constexpr std::int64_t kInput = 8192, kOutput = 1024, kTokens = 8192, kSequences = 256;

std::string even(std::int64_t most) {
  return fmt::format("{{law: uniform, low: {}, high: {}}}", most * 8 / 10, most);
}

E2eRow row_of(const CsvTable& t, std::size_t i, std::int64_t clients, std::int64_t requests) {
  E2eRow row{.name = t.where(i).substr(t.where(i).rfind('/') + 1),
             .engine = "vllm",
             .version = "0.22",
             .model = "openai/gpt-oss-120b",
             .system = "h200_sxm",
             .precision = "fp4",
             .mode = "closed loop",
             .isl = kInput,
             .osl = kOutput,
             .concurrency = clients};
  MeasuredLoad& load = row.load.emplace();
  load.name = fmt::format("{} prompts, {} clients", requests, clients);
  load.requests = requests;
  load.input = even(kInput);
  load.output = even(kOutput);
  load.run.tokens = kTokens;
  load.run.sequences = kSequences;
  load.run.moe = "marlin";
  return row;
}

}  // namespace

bool is_sweep_table(const CsvTable& t) {
  return t.find_column("draft_tokens") && t.find_column("max_concurrency") &&
         t.find_column("server_iter_tokens_avg");
}

E2eRows read_sweep(const CsvTable& t) {
  E2eRows all;
  std::map<std::string, std::int64_t> skipped;
  std::map<std::pair<std::int64_t, std::int64_t>, std::pair<std::size_t, int>> known;
  for (std::size_t i = 0; i < t.rows(); ++i) {
    const std::int64_t drafts = count_at(t, i, "draft_tokens", 0),
                       clients = count_at(t, i, "max_concurrency"),
                       requests = count_at(t, i, "num_prompts"),
                       completed = count_at(t, i, "completed");
    const double ttft = above_zero(t, i, "mean_ttft_ms"), tpot = above_zero(t, i, "mean_tpot_ms"),
                 rate = above_zero(t, i, "output_throughput");
    if (drafts > 0) {
      ++skipped["it drafted tokens"];
      continue;
    }
    if (completed != requests) {
      ++skipped["the run did not complete all its prompts"];
      continue;
    }
    const auto [found, is_new] = known.try_emplace({clients, requests}, all.rows.size(), 0);
    auto& [place, runs] = found->second;
    if (is_new) {
      all.rows.push_back(row_of(t, i, clients, requests));
    } else {
      ++skipped["a run with as many clients and prompts is a row, which has the mean of both"];
    }
    E2eRow& row = all.rows[place];
    ++runs;
    row.ttft_ms += (ttft - row.ttft_ms) / runs;
    row.tpot_ms += (tpot - row.tpot_ms) / runs;
    row.throughput += (rate - row.throughput) / runs;
  }
  for (const auto& [reason, n] : skipped) all.skipped.push_back({reason, n});
  return all;
}

}  // namespace moesim::validation
