#include "validation/serving/run_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "validation/serving/option_cells.h"

namespace moesim::validation {
namespace {

// origin: assumed. No file of the data and no page says what TensorRT-LLM was started with outside
// the sweeps. Taken is room for one prompt beside the batch, isl + batch + 1,500 tokens, as
// aiconfigurator's generator is remembered to give: so the prompts of a wave are read one or two at
// a time, and stay apart where all outputs are as long.
std::optional<RunOptions> assumed_options(const E2eRow& row) {
  if (row.engine != "trtllm" || row.swept()) return {};
  return RunOptions{.tokens = row.concurrency + row.isl + 1500, .sequences = row.concurrency};
}

}  // namespace

OptionTable OptionTable::read(const std::filesystem::path& file) {
  const sim::io::CsvTable t = sim::io::CsvTable::read(file);
  OptionTable table;
  const auto column = [&](const char* name) { return t.column(name); };
  const std::size_t mode = column("mode"), speculation = column("speculation"),
                    parallel = column("expert_parallel");
  const std::vector<std::pair<std::size_t, std::string Line::*>> columns{
      {column("engine"), &Line::engine},
      {column("engine_version"), &Line::version},
      {column("model"), &Line::model},
      {column("system"), &Line::system},
      {column("precision"), &Line::precision},
      {column("isl"), &Line::isl},
      {column("osl"), &Line::osl},
      {column("tp"), &Line::tp},
      {column("ep"), &Line::ep},
      {column("dp_attention"), &Line::dp},
      {column("concurrency_min"), &Line::least},
      {column("concurrency_max"), &Line::most},
      {column("date_from"), &Line::from},
      {column("max_num_tokens"), &Line::tokens},
      {column("max_num_seqs"), &Line::sequences},
      {column("chunk"), &Line::chunk},
      {column("kv_cache_dtype"), &Line::cache},
      {column("memory_fraction"), &Line::memory},
      {column("recv_interval"), &Line::receive},
      {column("batch_wait_iters"), &Line::wait},
      {column("batch_wait_ratio"), &Line::share},
      {column("attention_dp_balance"), &Line::balance},
      {column("moe_backend"), &Line::moe}};
  for (std::size_t i = 0; i < t.rows(); ++i) {
    if (t.text(i, mode) != "agg") continue;
    Line line;
    line.where = t.where(i);
    for (const auto& [c, member] : columns) line.*member = std::string(t.text(i, c));
    const std::string_view of_experts = t.text(i, parallel);
    if (!of_experts.empty()) line.expert_parallel = of_experts == "on";
    E2eRow any;
    any.isl = any.osl = any.concurrency = 1;
    for (const auto& [name, cell] :
         {std::pair("max_num_tokens", &line.tokens), std::pair("max_num_seqs", &line.sequences),
          std::pair("chunk", &line.chunk), std::pair("recv_interval", &line.receive),
          std::pair("batch_wait_iters", &line.wait)}) {
      if (cell->empty() || value_of(*cell, any)) continue;
      throw sim::InputError(fmt::format(
          "{}: {}: expected a number or a formula of isl, osl and C such as max(8192 2*isl), not "
          "\"{}\"",
          line.where, name, *cell));
    }
    // Drafts are in no column of the measured rows.
    (t.text(i, speculation).empty() ? table.lines_ : table.drafting_).push_back(std::move(line));
  }
  // The last in force last.
  std::ranges::stable_sort(table.lines_, {}, &Line::from);
  return table;
}

RunOptions OptionTable::options_of(const Line& line, const E2eRow& row) {
  const auto number = [&](const std::string& cell) {
    const auto value = value_of(cell, row);
    return value && *value > 0 ? value : std::nullopt;
  };
  return {.tokens = number(line.tokens),
          .sequences = number(line.sequences),
          .chunk = number(line.chunk),
          .receive_interval = number(line.receive),
          .batch_wait = number(line.wait),
          .balance = balance_of(line.balance),
          .batch_wait_share = share_of(line.share),
          .memory_fraction = share_of(line.memory),
          .cache = cache_of(line.cache),
          .moe = experts_of(line.moe),
          .expert_parallel = line.expert_parallel};
}

bool OptionTable::covers(const Line& line, const E2eRow& row) {
  return line.engine == row.engine && line.model == row.model && line.system == row.system &&
         line.precision == row.precision && allows(line.isl, row.isl) &&
         allows(line.osl, row.osl) && allows(line.tp, row.layout.gpus()) &&
         allows(line.ep, row.label_ep) && allows(line.dp, row.layout.dp > 1 ? "on" : "off") &&
         row.concurrency >= end_of(line.least, 0) &&
         row.concurrency <= end_of(line.most, row.concurrency) &&
         (row.version.empty() ? line.from < kVersionsSince : line.version == row.version);
}

bool OptionTable::may_draft(const E2eRow& row) const {
  return std::ranges::any_of(drafting_, [&](const Line& line) { return covers(line, row); });
}

OptionTable::Found OptionTable::of(const E2eRow& row) const {
  const std::optional<RunOptions> assumed = assumed_options(row);
  Found found{.options = assumed.value_or(RunOptions{})};
  std::set<RunOptions> sets;
  for (const Line& line : lines_) {
    if (!covers(line, row)) continue;
    const RunOptions options = options_of(line, row);
    if (row.version.empty() || sets.empty()) found.options = options;
    sets.insert(options);
  }
  found.sets = static_cast<std::int64_t>(sets.size());
  found.assumed = sets.empty() && assumed.has_value();
  return found;
}

}  // namespace moesim::validation
