#include "workloads/deployment/size_rule.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace moesim::workloads {
namespace {

constexpr std::array<std::string_view, 10> kNames{"tp", "pp",    "dp",       "ep",      "etp",
                                                  "cp", "heads", "kv_heads", "experts", "layers"};
constexpr std::int64_t kMost = std::int64_t{1} << 31;

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::optional<SizeRule::Factor> parse_factor(std::string_view text) {
  text = trimmed(text);
  SizeRule::Factor factor;
  if (std::find(kNames.begin(), kNames.end(), text) != kNames.end()) {
    factor.name = text;
    return factor;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), factor.number);
  if (error != std::errc{} || end != text.data() + text.size() || factor.number < 1 ||
      factor.number > kMost) {
    return std::nullopt;
  }
  return factor;
}

}  // namespace

std::optional<std::int64_t> SizeRule::value(
    const std::function<std::int64_t(std::string_view name)>& number_of) const {
  std::int64_t value = 1;
  for (const Factor& factor : factors) {
    const std::int64_t number = factor.name.empty() ? factor.number : number_of(factor.name);
    if (number <= 0) return std::nullopt;
    if (factor.divides) {
      if (value % number != 0) return std::nullopt;
      value /= number;
    } else {
      if (value > kMost / number) return std::nullopt;
      value *= number;
    }
  }
  return value;
}

std::optional<SizeRule> parse_size_rule(std::string_view text) {
  SizeRule rule;
  text = trimmed(text);
  constexpr std::string_view kDivides = "divides ";
  if (text.starts_with(kDivides)) {
    rule.divisor = true;
    text.remove_prefix(kDivides.size());
  }
  bool divides = false;
  while (true) {
    const std::size_t end = std::min(text.find_first_of("*/"), text.size());
    auto factor = parse_factor(text.substr(0, end));
    if (!factor) return std::nullopt;
    factor->divides = divides;
    rule.factors.push_back(std::move(*factor));
    if (end == text.size()) return rule;
    divides = text[end] == '/';
    text.remove_prefix(end + 1);
  }
}

}  // namespace moesim::workloads
