// A value of an expression with the unit that it is in, and how units meet.
//
// A key's name may state its unit: step_time_us.mean is in us, memory.peak_bytes in bytes. Beside a
// quantity such as "20 ms" such a number is what it says, whatever the units; beside a number alone
// it is in its own: step_time_us.mean < 20000.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/study/value.h"

namespace moesim::tools {

struct Unit {
  Dimension dimension = Dimension::Time;
  double per_base = 1;         // of it in a base unit: 1e6 of us
  std::string_view name = {};  // as a key states it; empty: of a quantity, in its base unit
};

// What the last word of a part of the key states, "us" of "step_time_us.mean". Nothing of rates of
// other things: "tokens_per_s".
std::optional<Unit> unit_of_key(std::string_view key);

struct Operand {
  Value value = {};
  std::optional<Unit> unit = {};
  std::string_view name = {};  // the key, or the constant as it was typed; empty: neither
};

// Numbers as they may be compared or added, in the unit of the first that a key's name states. Sets
// `unit` to it. Throws ConfigError, without a place, where they are of different kinds, or one has
// a unit and another has none. REQUIRES: numbers
std::vector<double> aligned(const std::vector<Operand>& operands, std::optional<Unit>& unit);

// Bytes a second and seconds are bytes, and so on; what has no unit of ours is a number.
// REQUIRES: numbers; b is not 0 for a quotient
Operand product(const Operand& a, const Operand& b);
Operand quotient(const Operand& a, const Operand& b);

// Whole where it is, and fits; with the unit of a quantity.
Value tidy(double number, const std::optional<Unit>& unit = {});

}  // namespace moesim::tools
