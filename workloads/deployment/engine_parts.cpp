#include "workloads/deployment/engine_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "hardware/precision.h"
#include "sim/io/yaml_share.h"
#include "workloads/deployment/size_rule.h"

namespace moesim::workloads {
namespace {

using sim::io::YamlNode;

constexpr std::int64_t kMost = std::int64_t{1} << 40;  // of a count: a slip of the finger is beyond

template <typename Enum, std::size_t N>
void read_name(const YamlNode& map, const char* key, const std::array<std::string_view, N>& names,
               std::optional<Enum>& value) {
  if (const auto found = map.find(key)) value = static_cast<Enum>(found->one_of(names));
}

void read_count(const YamlNode& map, const char* key, std::optional<std::int64_t>& value) {
  if (const auto found = map.find(key)) value = found->integer(1, kMost);
}

void read_flag(const YamlNode& map, const char* key, std::optional<bool>& value) {
  if (const auto found = map.find(key)) value = found->boolean();
}

std::vector<MoeKernels> read_moe(const YamlNode& node) {
  std::vector<MoeKernels> list;
  std::int64_t before = 0;
  const std::vector<YamlNode> items = node.items();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const YamlNode& item = items[i];
    item.allow_only({"tokens_up_to", "kernels"});
    MoeKernels one{.tokens_up_to = {}, .kernels = item.at("kernels").text()};
    const bool last = i + 1 == items.size();
    if (const auto limit = item.find("tokens_up_to")) {
      one.tokens_up_to = limit->integer(1, kMost);
      if (*one.tokens_up_to <= before) {
        limit->error(fmt::format("expected more than the {} of the line before, not {}", before,
                                 *one.tokens_up_to));
      }
      before = *one.tokens_up_to;
      if (last) item.error("says nothing of larger batches: leave out the last tokens_up_to");
    } else if (!last && item.is_map()) {
      item.error(
          "has every number of tokens, so that what follows never counts: give tokens_up_to");
    }
    list.push_back(std::move(one));
  }
  return list;
}

// One for all formats, or {fp8: fused, nvfp4: fused}: others are quantised before each product.
void read_quantisation(const YamlNode& node, Composition& composition) {
  composition.quantisation_of.clear();
  if (!node.is_map()) {
    composition.quantisation = static_cast<Quantisation>(node.one_of(kQuantisationNames));
    return;
  }
  node.allow_only(std::span<const std::string_view>(hardware::kPrecisionNames));
  for (const auto& [format, where] : node.entries()) {
    const auto at = std::ranges::find(hardware::kPrecisionNames, format);
    if (at == hardware::kPrecisionNames.end()) continue;
    const auto i = static_cast<std::size_t>(at - hardware::kPrecisionNames.begin());
    composition.quantisation_of[hardware::kPrecisions[i]] =
        static_cast<Quantisation>(where.one_of(kQuantisationNames));
  }
}

BatchWait read_batch_wait(const YamlNode& node) {
  node.allow_only({"iterations", "timeout", "share"});
  BatchWait wait;
  if (const auto found = node.find("iterations")) wait.iterations = found->integer(0, kMost);
  if (const auto found = node.find("timeout")) wait.timeout = found->duration();
  if (const auto found = node.find("share")) wait.share = sim::io::share_of(*found);
  return wait;
}

void read_composition(const YamlNode& node, Composition& composition) {
  if (const auto found = node.find("quantisation")) read_quantisation(*found, composition);
  read_count(node, "shared_experts_beside_up_to", composition.shared_beside_up_to);
  read_name(node, "tensor_parallel", kTensorParallelNames, composition.tensor_parallel);
  read_name(node, "experts_in_tensor_group", kExpertsInTensorGroupNames,
            composition.experts_in_tensor_group);
  if (const auto moe = node.find("moe")) composition.moe = read_moe(*moe);
}

std::vector<MemoryLeft> read_memory_left(const YamlNode& node) {
  constexpr std::int64_t kMostTokens = std::int64_t{1} << 24;
  std::vector<MemoryLeft> parts;
  for (const YamlNode& item : node.items()) {
    item.allow_only({"bytes", "per", "at_least", "above"});
    MemoryLeft& part = parts.emplace_back();
    part.bytes = item.at("bytes").bytes();
    if (const auto per = item.find("per")) {
      part.per = static_cast<LeftFor>(per->one_of(kLeftForNames));
    }
    if (const auto found = item.find("at_least")) part.at_least = found->integer(1, kMostTokens);
    if (const auto found = item.find("above")) part.above = found->integer(1, kMostTokens);
  }
  return parts;
}

}  // namespace

void read_compositions(const YamlNode& node, Composition& all,
                       std::map<std::string, Composition>& of) {
  node.allow_only({"quantisation", "tensor_parallel", "experts_in_tensor_group",
                   "shared_experts_beside_up_to", "moe", "of"});
  read_composition(node, all);
  const auto own = node.find("of");
  if (!own) return;
  for (const auto& [family, part] : own->entries()) {
    part.allow_only({"quantisation", "tensor_parallel", "experts_in_tensor_group",
                     "shared_experts_beside_up_to", "moe"});
    read_composition(part, of[family] = all);
  }
}

EngineMemory read_engine_memory(const YamlNode& node) {
  node.allow_only({"fraction", "leaves", "of", "reserve", "block", "holds", "flags", "log"});
  EngineMemory memory;
  if (const auto found = node.find("leaves")) {
    if (node.find("fraction")) found->error("expected a fraction or what is left, not both");
    memory.leaves = read_memory_left(*found);
  }
  if (const auto found = node.find("fraction")) {
    memory.fraction = sim::io::share_of(*found);
    if (*memory.fraction == 0) found->error("expected a fraction above 0, such as 0.9");
  }
  if (const auto found = node.find("of")) {
    memory.of = static_cast<FractionOf>(found->one_of(kFractionOfNames));
  }
  if (const auto found = node.find("reserve")) memory.reserve = found->bytes();
  read_count(node, "block", memory.block);
  if (const auto found = node.find("holds")) {
    memory.holds = static_cast<FractionHolds>(found->one_of(kFractionHoldsNames));
  }
  if (const auto flags = node.find("flags")) {
    flags->allow_only({"fraction", "context", "sequences", "tokens", "block", "tp", "pp", "dp",
                       "ep", "ranks", "expert_parallel", "attention_dp", "kv_fp8"});
    for (const auto& [what, flag] : flags->entries()) memory.flags[what] = flag.text();
  }
  if (const auto log = node.find("log")) {
    memory.log = log->text();
    if (log->is_scalar() && memory.log.find("{tokens}") == std::string::npos) {
      log->error("expected the engine's line with {tokens} where it tells them");
    }
  }
  return memory;
}

EngineScheduler read_engine_scheduler(const YamlNode& node) {
  node.allow_only({"tokens",
                   "sequences",
                   "chunked",
                   "order",
                   "prefill_interval",
                   "ahead",
                   "receive_interval",
                   "batch_wait",
                   "stream_interval",
                   "expert_parallel",
                   "chunk",
                   "chunk_by_dp",
                   "mixed",
                   "late",
                   "admission",
                   "conservativeness",
                   "agree_every",
                   "ranks",
                   "balance_iterations",
                   "prefix_cache",
                   "reserve_full_prompt",
                   "watermark"});
  EngineScheduler scheduler;
  read_count(node, "tokens", scheduler.tokens);
  read_count(node, "sequences", scheduler.sequences);
  read_flag(node, "chunked", scheduler.chunked);
  read_name(node, "order", kRequestOrderNames, scheduler.order);
  read_count(node, "prefill_interval", scheduler.prefill_interval);
  read_flag(node, "ahead", scheduler.ahead);
  read_count(node, "receive_interval", scheduler.receive_interval);
  if (const auto found = node.find("batch_wait")) scheduler.batch_wait = read_batch_wait(*found);
  read_count(node, "stream_interval", scheduler.stream_interval);
  read_flag(node, "expert_parallel", scheduler.expert_parallel);
  read_count(node, "chunk", scheduler.chunk);
  read_flag(node, "chunk_by_dp", scheduler.chunk_by_dp);
  read_flag(node, "mixed", scheduler.mixed);
  read_flag(node, "late", scheduler.late);
  read_name(node, "admission", kAdmissionNames, scheduler.admission);
  if (const auto found = node.find("conservativeness")) {
    scheduler.conservativeness = found->number(0.01, 10);
  }
  read_count(node, "agree_every", scheduler.agree_every);
  read_name(node, "ranks", kRankChoiceNames, scheduler.ranks);
  read_count(node, "balance_iterations", scheduler.balance_iterations);
  read_flag(node, "prefix_cache", scheduler.prefix_cache);
  read_flag(node, "reserve_full_prompt", scheduler.reserve_full_prompt);
  if (const auto found = node.find("watermark"))
    scheduler.watermark = sim::io::share_of(*found, 0, 0.99);
  return scheduler;
}

LayoutRules read_layout_rules(const YamlNode& node) {
  node.allow_only({"tp", "pp", "dp", "ep", "etp", "cp", "whole_blocks"});
  LayoutRules rules;
  for (const auto& [size, rule] : node.entries()) {
    const std::vector<YamlNode> lines = rule.is_list() ? rule.items() : std::vector<YamlNode>{rule};
    for (const YamlNode& line : lines) {
      if (size == "whole_blocks") {
        const auto format =
            line.one_of(std::span<const std::string_view>(hardware::kPrecisionNames));
        rules[size].emplace_back(hardware::kPrecisionNames[format]);
        continue;
      }
      rules[size].push_back(line.text());
      if (line.is_scalar() && !parse_size_rule(rules[size].back())) {
        line.error(fmt::format("expected a number or a rule, such as \"tp * dp\", not \"{}\"",
                               rules[size].back()));
      }
    }
  }
  return rules;
}

}  // namespace moesim::workloads
