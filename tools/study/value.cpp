#include "tools/study/value.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "sim/units_text.h"
#include "tools/study/operand.h"

namespace moesim::tools {
namespace {

const char* base_unit(Dimension dimension) {
  switch (dimension) {
    case Dimension::Bytes:
      return "B";
    case Dimension::Time:
      return "s";
    case Dimension::Bandwidth:
      return "B/s";
    case Dimension::FlopRate:
      break;
  }
  return "FLOP/s";
}

// A number that is all of the text.
template <class Number>
std::optional<Number> all_of(std::string_view text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc{} || stop != end) return {};
  return number;
}

}  // namespace

std::optional<Quantity> quantity_of(std::string_view text) {
  if (const auto bytes = sim::parse_bytes(text))
    return Quantity{static_cast<double>(bytes->count()), Dimension::Bytes};
  if (const auto time = sim::parse_duration(text))
    return Quantity{static_cast<double>(time->count()) / 1e12, Dimension::Time};
  if (const auto rate = sim::parse_bandwidth(text))
    return Quantity{rate->bytes_per_second(), Dimension::Bandwidth};
  if (const auto rate = sim::parse_flop_rate(text))
    return Quantity{rate->flop_per_second(), Dimension::FlopRate};
  return {};
}

Value value_of(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  if (const auto whole = all_of<std::int64_t>(text)) return *whole;
  if (const auto number = all_of<double>(text); number && std::isfinite(*number)) return *number;
  if (const auto measured = quantity_of(text)) return *measured;
  return std::string(text);
}

std::optional<double> number_of(const Value& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* measured = std::get_if<Quantity>(&value)) return measured->number;
  return {};
}

std::string to_text(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* yes = std::get_if<bool>(&value)) return *yes ? "true" : "false";
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *whole);
  if (const auto* measured = std::get_if<Quantity>(&value))
    return to_text(tidy(measured->number)) + " " + base_unit(measured->dimension);
  return fmt::format("{}", std::get<double>(value));
}

}  // namespace moesim::tools
