#include "workloads/deployment/layout_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "sim/check.h"
#include "workloads/deployment/size_rule.h"
#include "workloads/placement/model_layout.h"

namespace moesim::workloads {
namespace {

constexpr std::string_view kWholeBlocks = "whole_blocks";

// Of all layers: what divides each of them; 0 where there are none.
std::int64_t common_heads(const ModelSpec& model, bool of_keys) {
  std::int64_t common = 0;
  for (const std::size_t kind : model.layers) {
    if (const auto* gqa = std::get_if<GqaAttention>(&model.kinds[kind].mixer)) {
      common = std::gcd(common, of_keys ? gqa->kv_heads : gqa->heads);
    } else if (const auto* mla = std::get_if<MlaAttention>(&model.kinds[kind].mixer)) {
      common = std::gcd(common, of_keys ? 0 : mla->heads);
    }
  }
  return common;
}

std::int64_t number_of(std::string_view name, const ModelSpec& model, const Parallelism& p) {
  if (name == "tp") return p.tp;
  if (name == "pp") return p.pp;
  if (name == "dp") return p.dp;
  if (name == "ep") return p.ep;
  if (name == "etp") return p.etp;
  if (name == "cp") return p.cp;
  if (name == "heads") return common_heads(model, false);
  if (name == "kv_heads") return common_heads(model, true);
  if (name == "layers") return model.layer_count();
  std::int64_t experts = 0;
  for (const std::int64_t layer : model.moe_layers()) {
    experts = std::gcd(experts, model.moe(layer)->experts);
  }
  return experts;
}

bool is_number(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Whether a rule's value hangs on a size.
bool names(const std::string& rule, const std::string& size) {
  const auto parsed = parse_size_rule(rule);
  return parsed && std::ranges::any_of(parsed->factors, [&](const SizeRule::Factor& factor) {
           return factor.name == size;
         });
}

bool refuses(const Engine& engine, const CutBlocks& cut) {
  if (cut.halved) return false;
  const auto found = engine.rules.find(std::string(kWholeBlocks));
  return found != engine.rules.end() &&
         std::find(found->second.begin(), found->second.end(), hardware::name_of(cut.precision)) !=
             found->second.end();
}

}  // namespace

std::vector<std::string> rule_problems(const Engine& engine, const ModelSpec& model,
                                       const Parallelism& layout, const Formats& formats) {
  std::map<std::string, std::string> refused;  // by size
  Parallelism p = layout;
  p.dp = dp_of_engine(layout);
  const auto number = [&](std::string_view name) { return number_of(name, model, p); };
  for (const auto& [size, rules] : engine.rules) {
    if (size == kWholeBlocks) continue;
    const std::int64_t is = number(size);
    bool allowed = false;
    std::vector<std::string> would_do;
    for (const std::string& text : rules) {
      const auto rule = parse_size_rule(text);
      SIM_CHECK(rule.has_value(), "rules were checked when they were read");
      const auto value = rule->value(number);
      if (!value) {
        // What a model has not is divided by every size; a quotient that is not whole is no size.
        allowed = allowed || rule->divisor;
        continue;
      }
      allowed = allowed || (rule->divisor ? *value % is == 0 : *value == is);
      would_do.push_back(is_number(text) ? text
                         : rule->divisor ? fmt::format("what {} = {}", text, *value)
                                         : fmt::format("{} = {}", text, *value));
    }
    if (allowed || (!model.is_moe() && (size == "ep" || size == "etp"))) continue;
    refused[size] = fmt::format(
        "{} = {}: {} starts {} (rules of its file)", size, is, engine.name,
        would_do.empty() ? "none of this layout" : fmt::format("{}", fmt::join(would_do, " or ")));
  }
  // What hangs on a size that is refused is not asked for beside it.
  std::vector<std::string> problems;
  for (const auto& one : refused) {
    const bool follows = std::ranges::any_of(refused, [&](const auto& other) {
      return other.first != one.first &&
             std::ranges::any_of(engine.rules.at(one.first),
                                 [&](const auto& rule) { return names(rule, other.first); });
    });
    if (!follows) problems.push_back(one.second);
  }
  for (const CutBlocks& cut : cut_blocks(model, layout, formats)) {
    if (!refuses(engine, cut)) continue;
    problems.push_back(fmt::format("{}: {} refuses it (rules of its file); {}", cut.what,
                                   engine.name, cut.would_do));
  }
  return problems;
}

std::vector<std::string> block_notes(const Engine& engine, const ModelSpec& model,
                                     const Parallelism& layout, const Formats& formats) {
  std::vector<std::string> notes;
  for (const CutBlocks& cut : cut_blocks(model, layout, formats)) {
    if (refuses(engine, cut)) continue;
    notes.push_back(fmt::format("{}: engines refuse it or {}", cut.what, cut.padding));
  }
  return notes;
}

}  // namespace moesim::workloads
