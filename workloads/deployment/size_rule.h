// One size that a rule of an engine's file allows: "8", "tp * dp / ep", "divides heads".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::workloads {

struct SizeRule {
  struct Factor {
    bool divides = false;  // what stands before it
    std::string name;      // empty: the number
    std::int64_t number = 1;
  };
  bool divisor = false;  // "divides …": the size divides the value; else it is the value
  std::vector<Factor> factors;

  // The value, by the numbers that its names stand for. Nothing where one of them is 0 (a model
  // without heads) or the value is not whole: then the rule says nothing, or allows nothing.
  std::optional<std::int64_t> value(
      const std::function<std::int64_t(std::string_view name)>& number_of) const;
};

// Nothing where the text is no rule.
std::optional<SizeRule> parse_size_rule(std::string_view text);

}  // namespace moesim::workloads
