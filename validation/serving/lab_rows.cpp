#include "validation/serving/lab_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "sim/error.h"
#include "validation/serving/command_line.h"
#include "validation/serving/measured_cells.h"

namespace moesim::validation {
namespace {

using sim::io::CsvTable;

// Of the benchmark's random profiles; sums differ from it where a tokenizer joins some.
constexpr std::array<std::int64_t, 4> kRandomPrompts{128, 2000, 4000, 32000};
constexpr double kAsLong = 0.005, kAgree = 0.02;

// 0 where the cell is empty.
double nothing_or_above_zero(const CsvTable& t, std::size_t row, std::string_view column) {
  const std::size_t c = t.column(column);
  if (t.text(row, c).empty()) return 0;
  const double value = t.number(row, c);
  if (!(value > 0))
    throw sim::InputError(fmt::format("{}: {}: expected more than 0, or nothing, not {}",
                                      t.where(row), column, t.text(row, c)));
  return value;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string_view without(std::string_view text, std::string_view end) {
  return text.ends_with(end) ? text.substr(0, text.size() - end.size()) : text;
}

// "zai-org/GLM-4.5-Air-FP8" is "glm-4.5-air".
std::string plain_name(std::string_view model) {
  return lower(without(model.substr(model.rfind('/') + 1), "-FP8"));
}

std::string system_of(std::string_view hardware) {
  for (const char* device : {"H100", "H200", "A100"})
    if (hardware.find(device) != std::string_view::npos) return lower(device) + "_sxm";
  return {};
}

// "8 x NVIDIA ...": 8; others have one.
std::int64_t gpus_of(std::string_view hardware) {
  std::int64_t gpus = 1;
  std::from_chars(hardware.data(), hardware.data() + hardware.size(), gpus);
  return gpus;
}

// "vLLM: v0.11.0; SGLang v0.5.3": that of one; empty where it is not named.
std::string version_of(std::string_view versions, std::string_view engine) {
  const std::string all = lower(versions);
  const std::string name = engine == "trtllm" ? "tensorrt-llm" : std::string(engine);
  const std::size_t at = all.find(name);
  if (at == std::string::npos) return {};
  std::size_t from = at + name.size();
  while (from < all.size() && (all[from] == ':' || all[from] == ' ' || all[from] == 'v')) ++from;
  return all.substr(from, all.find(';', from) - from);
}

// Log-normal of a mean, whose deviation is as large: sigma^2 = ln 2, median = mean / sqrt 2, and
// p90 = median exp(1.28155 sigma).
std::string share_gpt(double mean) {
  const double median = mean / std::sqrt(2.0);
  const double p90 = median * std::exp(1.2815515655 * std::sqrt(std::log(2.0)));
  return fmt::format("{{law: log_normal, median: {:.3f}, p90: {:.3f}}}", std::max(1.0, median),
                     std::max(1.0, p90));
}

MeasuredLoad load_of(std::int64_t requests, std::int64_t input, std::int64_t output) {
  MeasuredLoad load{.requests = requests};
  const auto n = static_cast<double>(requests);
  const double in = static_cast<double>(input) / n, out = static_cast<double>(output) / n;
  for (const std::int64_t length : kRandomPrompts) {
    const auto l = static_cast<double>(length);
    if (std::abs(in / l - 1) > kAsLong) continue;
    const auto each = std::max<std::int64_t>(1, std::llround(out));
    load.name = fmt::format("{} tokens, {} requests", length, requests);
    load.input = fmt::format("{}", std::llround(in));
    load.output = fmt::format("{}", each);
    return load;
  }
  load.name = fmt::format("ShareGPT, {} requests", requests);
  load.input = share_gpt(in);
  load.output = share_gpt(out);
  return load;
}

std::string mismatch(const E2eRow& row, const StartedEngine& started, std::string_view page,
                     std::string_view hardware) {
  if (!started.problem.empty()) return started.problem;
  if (plain_name(started.model) != plain_name(page))
    return "its command is of another model than its page";
  if (row.system.empty()) return "its hardware is not known";
  if (row.layout.gpus() > gpus_of(hardware)) return "its command takes more GPUs than its page has";
  return {};
}

}  // namespace

bool is_lab_table(const CsvTable& t) {
  return t.find_column("command") && t.find_column("versions") && t.find_column("completed");
}

E2eRows read_lab(const CsvTable& t) {
  E2eRows all;
  std::map<std::string, std::int64_t> skipped;
  std::set<std::string> seen;
  const std::size_t model = t.column("model"), hardware = t.column("hardware"),
                    versions = t.column("versions"), command = t.column("command"),
                    clients = t.column("max_concurrency");
  for (std::size_t i = 0; i < t.rows(); ++i) {
    const std::int64_t requests = count_at(t, i, "completed"),
                       input = count_at(t, i, "total_input_tokens"),
                       output = count_at(t, i, "total_output_tokens");
    const double duration = nothing_or_above_zero(t, i, "duration_s");
    StartedEngine started = read_command(t.text(i, command));
    const std::string page(t.text(i, model));
    const bool fp8 = started.model.ends_with("-FP8");
    const std::string plain(without(started.model, "-FP8"));
    E2eRow row{.name = t.where(i).substr(t.where(i).rfind('/') + 1),
               .engine = started.engine,
               .version = version_of(t.text(i, versions), started.engine),
               .model = plain.find('/') == std::string::npos ? page : plain,
               .system = system_of(t.text(i, hardware)),
               .precision = plain_name(plain).starts_with("gpt-oss") ? "fp4"
                            : fp8                                    ? "fp8"
                                                                     : "bf16",
               .mode = "all at once",
               .isl = input / requests,
               .osl = output / requests,
               .concurrency = requests,
               .layout = started.layout,
               .label_ep = started.layout.ep,
               .ttft_ms = nothing_or_above_zero(t, i, "mean_ttft_ms"),
               .tpot_ms = nothing_or_above_zero(t, i, "mean_tpot_ms"),
               .throughput = nothing_or_above_zero(t, i, "output_throughput")};
    if (const std::string why = mismatch(row, started, page, t.text(i, hardware)); !why.empty()) {
      ++skipped[fmt::format("{}: {}", page, why)];
      continue;
    }
    const double tokens = row.throughput * duration;
    if (tokens > 0 && std::abs(tokens / static_cast<double>(output) - 1) > kAgree) {
      ++skipped["its throughput is not tokens over time"];
      continue;
    }
    if (!seen.insert(fmt::format("{} {} {} {} {} {}", t.text(i, command), row.system, duration,
                                 row.ttft_ms, row.tpot_ms, row.throughput))
             .second) {
      ++skipped["all figures equal to another row's"];
      continue;
    }
    row.load = load_of(requests, input, output);
    row.load->at_once = t.text(i, clients).empty();
    if (!row.load->at_once) {
      row.concurrency = count_at(t, i, "max_concurrency");
      row.mode = "closed loop";
      row.load->name += fmt::format(", {} clients", row.concurrency);
    }
    add_defaults(row.version, started);
    row.load->run = started.run;
    row.load->options = started.options;
    all.rows.push_back(std::move(row));
  }
  for (const auto& [reason, n] : skipped) all.skipped.push_back({reason, n});
  return all;
}

}  // namespace moesim::validation
