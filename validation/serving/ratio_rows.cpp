#include "validation/serving/ratio_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "validation/serving/measured_cells.h"

namespace moesim::validation {
namespace {

using sim::io::CsvTable;

// The widest uniform law from 1 to `most` with that mean.
std::string lengths_of(double mean, std::int64_t most) {
  const auto twice = std::llround(2 * mean);
  const std::int64_t high = std::clamp<std::int64_t>(twice - 1, 1, most);
  const std::int64_t low = std::clamp<std::int64_t>(twice - high, 1, high);
  return fmt::format("{{law: uniform, low: {}, high: {}}}", low, high);
}

}  // namespace

bool is_ratio_table(const CsvTable& t) {
  return t.find_column("prefill_workers") && t.find_column("decode_workers") &&
         t.find_column("num_prompts");
}

E2eRows read_ratio(const CsvTable& t) {
  E2eRows all;
  std::map<std::string, std::int64_t> skipped;
  for (std::size_t i = 0; i < t.rows(); ++i) {
    const auto count = [&](std::string_view column) { return count_at(t, i, column); };
    const auto measure = [&](std::string_view column) { return above_zero(t, i, column); };
    const std::int64_t prefill = count("prefill_workers"), decode = count("decode_workers"),
                       clients = count("max_concurrency"), isl = count("isl"), osl = count("osl"),
                       requests = count("completed"), output = count("total_output_tokens");
    const workloads::Parallelism worker{.tp = 2, .etp = 2};
    E2eRow row{.name = t.where(i).substr(t.where(i).rfind('/') + 1),
               .engine = "sglang",
               .version = {},  // of 2025-09; the commit is not said
               .model = "openai/gpt-oss-120b",
               .system = "h200_sxm",
               .precision = "fp4",
               .mode = fmt::format("{}P{}D", prefill, decode),
               .isl = isl,
               .osl = osl,
               .concurrency = clients,
               .layout = worker,
               .workers = decode,
               .prefill = E2ePool{.workers = prefill, .layout = worker},
               .ttft_ms = measure("mean_ttft_ms"),
               .tpot_ms = measure("mean_tpot_ms"),
               .throughput = measure("output_throughput")};
    if (requests != count("num_prompts")) {
      ++skipped["the run did not complete all its prompts"];
      continue;
    }
    if (t.text(i, t.column("request_rate")) != "inf") {
      ++skipped["requests came by a rate whose law is not said"];
      continue;
    }
    const double mean = static_cast<double>(output) / static_cast<double>(requests);
    row.load = MeasuredLoad{.name = fmt::format("{}/{}, {} clients", isl, osl, clients),
                            .requests = requests,
                            .input = fmt::format("{}", isl),
                            .output = lengths_of(mean, osl)};
    all.rows.push_back(std::move(row));
  }
  for (const auto& [reason, n] : skipped) all.skipped.push_back({reason, n});
  return all;
}

}  // namespace moesim::validation
