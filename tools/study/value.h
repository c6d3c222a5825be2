// What a key of a study says: a number, a quantity with its unit, a yes or no, a text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace moesim::tools {

enum class Dimension { Bytes, Time, Bandwidth, FlopRate };

// In its base unit: bytes, seconds, bytes a second, FLOP a second. "400 Gbit/s" is 50e9.
struct Quantity {
  double number = 0;
  Dimension dimension = Dimension::Bytes;
  bool operator==(const Quantity&) const = default;
};

using Value = std::variant<std::int64_t, double, bool, std::string, Quantity>;

// "8", "0.25", "true", "fp8", "400 Gbit/s" as what they say; text that is nothing else as text.
Value value_of(std::string_view text);
// Of a whole number, a fraction or a quantity; nothing of the others.
std::optional<double> number_of(const Value& value);
// As a scenario says it: "8", "0.25", "true", "fp8", "50000000000 B/s".
std::string to_text(const Value& value);

// "400 Gbit/s"; nothing where it is none.
std::optional<Quantity> quantity_of(std::string_view text);

}  // namespace moesim::tools
