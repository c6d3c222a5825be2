// Scalars of a YAML node.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "sim/io/message.h"
#include "sim/io/yaml_value.h"
#include "sim/units_range.h"
#include "sim/units_text.h"

namespace moesim::sim::io {
namespace {

// Digits with a zero before them: YAML 1.1 reads 010 as eight, YAML 1.2 as ten.
bool is_octal_like(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';
}

template <typename Number>
std::optional<Number> parse(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || is_octal_like(text)) return {};
  return number;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  if (const auto whole = parse<std::int64_t>(text)) return whole;
  // 1e6 is a whole number too.
  const auto number = parse<double>(text);
  if (!number || !(std::abs(*number) <= 0x1p53) || *number != std::trunc(*number)) return {};
  return static_cast<std::int64_t>(*number);
}

template <typename Number>
std::string range_text(std::string_view what, Number least, Number most, Number lowest,
                       Number highest) {
  if (least == lowest && most == highest) return std::string(what);
  if (most == highest) return fmt::format("{} of at least {}", what, least);
  if (least == lowest) return fmt::format("{} of at most {}", what, most);
  return fmt::format("{} from {} to {}", what, least, most);
}

std::string unit_text(const char* example) {
  return fmt::format("a number with a unit, such as {}", example);
}

}  // namespace

std::string YamlNode::text() const {
  if (is_scalar()) return value_->text;
  expected("a text");
  return {};
}

bool YamlNode::boolean() const {
  if (is_scalar() && (value_->text == "true" || value_->text == "false")) {
    return value_->text == "true";
  }
  expected("true or false");
  return false;
}

std::int64_t YamlNode::integer(std::int64_t least, std::int64_t most) const {
  const auto number = is_scalar() ? parse_integer(value_->text) : std::nullopt;
  if (number && *number >= least && *number <= most) return *number;
  using Limits = std::numeric_limits<std::int64_t>;
  // Of a number of too many digits: what the limit is.
  const auto real = is_scalar() ? parse<double>(value_->text) : std::nullopt;
  if (real && *real == std::trunc(*real) && std::abs(*real) > 0x1p53) {
    expected(fmt::format("a whole number from {} to {}", least, most));
    return 0;
  }
  expected(range_text("a whole number", least, most, Limits::min(), Limits::max()));
  return 0;
}

double YamlNode::number(double least, double most) const {
  const auto number = is_scalar() ? parse<double>(value_->text) : std::nullopt;
  if (number && std::isfinite(*number) && *number >= least && *number <= most) return *number;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  expected(range_text("a number", least, most, -kInfinity, kInfinity));
  return 0;
}

Bytes YamlNode::bytes() const {
  if (is_scalar()) {
    if (const auto amount = parse_bytes(value_->text)) return *amount;
    if (const std::string why = wrong_bytes(value_->text); !why.empty()) {
      error(fmt::format("{} {}", quote(value_->text), why));
      return {};
    }
  }
  expected(unit_text(kBytesExample));
  return {};
}

Duration YamlNode::duration() const {
  if (is_scalar()) {
    if (const auto time = parse_duration(value_->text)) return *time;
    if (const std::string why = wrong_duration(value_->text); !why.empty()) {
      error(fmt::format("{} {}", quote(value_->text), why));
      return {};
    }
  }
  expected(unit_text(kDurationExample));
  return {};
}

Bandwidth YamlNode::bandwidth() const {
  if (is_scalar()) {
    const auto rate = parse_bandwidth(value_->text);
    if (rate && rate->bytes_per_second() > 0) return *rate;
    if (rate) {
      expected(fmt::format("a rate above zero, such as {}", kBandwidthExample));
      return {};
    }
  }
  expected(unit_text(kBandwidthExample));
  return {};
}

FlopRate YamlNode::flop_rate() const {
  if (is_scalar()) {
    const auto rate = parse_flop_rate(value_->text);
    if (rate && rate->flop_per_second() > 0) return *rate;
    if (rate) {
      expected(fmt::format("a rate above zero, such as {}", kFlopRateExample));
      return {};
    }
  }
  expected(unit_text(kFlopRateExample));
  return {};
}

std::size_t YamlNode::one_of(std::initializer_list<std::string_view> names) const {
  return one_of(std::span(names.begin(), names.size()));
}

std::size_t YamlNode::one_of(std::span<const std::string_view> names) const {
  const std::string what = fmt::format("one of {}", fmt::join(names, ", "));
  if (!is_scalar()) {
    expected(what);
    return 0;
  }
  const auto found = std::find(names.begin(), names.end(), value_->text);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  error(fmt::format("expected {}, not {}{}", what, quote(value_->text),
                    suggestion(value_->text, names)));
  return 0;
}

}  // namespace moesim::sim::io
