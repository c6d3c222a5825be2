#include "tools/study/operand.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "sim/error.h"
#include "sim/units_text.h"

namespace moesim::tools {
namespace {

constexpr std::array kUnits{
    Unit{Dimension::Time, 1e12, "ps"},  Unit{Dimension::Time, 1e9, "ns"},
    Unit{Dimension::Time, 1e6, "us"},   Unit{Dimension::Time, 1e3, "ms"},
    Unit{Dimension::Time, 1, "s"},      Unit{Dimension::Bytes, 1, "bytes"},
    Unit{Dimension::Bytes, 1e-9, "GB"}, Unit{Dimension::Bandwidth, 1e-9, "GBps"}};

struct Kind {
  const char *name, *example;
};
Kind kind_of(Dimension dimension) {
  switch (dimension) {
    case Dimension::Bytes:
      return {"a size", sim::kBytesExample};
    case Dimension::Time:
      return {"a time", sim::kDurationExample};
    case Dimension::Bandwidth:
      return {"a bandwidth", sim::kBandwidthExample};
    case Dimension::FlopRate:
      break;
  }
  return {"a rate of FLOP", sim::kFlopRateExample};
}

double number(const Operand& operand) {
  return number_of(operand.value).value_or(0);
}
bool is_quantity(const Operand& operand) {
  return operand.unit && operand.unit->name.empty();
}

std::string described(const Operand& o) {
  const std::string name = o.name.empty() ? "what is reckoned" : std::string(o.name);
  if (!o.unit) return fmt::format("{} (a number without a unit)", name);
  if (!is_quantity(o)) return fmt::format("{} (in {})", name, o.unit->name);
  return fmt::format("{} ({})", name, kind_of(o.unit->dimension).name);
}

// What would do beside it.
std::string wanted_beside(const Operand& o) {
  if (!o.unit) return "a number without a unit";
  const Kind kind = kind_of(o.unit->dimension);
  return is_quantity(o) ? fmt::format("{} such as {}", kind.name, kind.example)
                        : fmt::format("{} such as {}, or a number of {}", kind.name, kind.example,
                                      o.unit->name);
}

// In the order in which they stand.
[[noreturn]] void differ(const Operand& a, const Operand& b) {
  // What would do is told of the constant, which is what a user changes.
  const bool constant_first =
      !a.name.empty() && std::isdigit(static_cast<unsigned char>(a.name.front())) != 0;
  throw sim::ConfigError(fmt::format("{} and {} are of different kinds: {} would do", described(a),
                                     described(b), wanted_beside(constant_first ? b : a)));
}

double in_base(const Operand& o) {
  return o.unit ? number(o) / o.unit->per_base : number(o);
}

Operand measured(double number, Dimension dimension) {
  const Unit unit{dimension};
  return {tidy(number, unit), unit};
}

}  // namespace

Value tidy(double number, const std::optional<Unit>& unit) {
  if (unit && unit->name.empty()) return Quantity{number, unit->dimension};
  constexpr double kExact = 9007199254740992;  // 2^53
  if (number == std::floor(number) && std::abs(number) <= kExact)
    return static_cast<std::int64_t>(number);
  return number;
}

std::optional<Unit> unit_of_key(std::string_view key) {
  while (!key.empty()) {
    const std::size_t dot = key.rfind('.');
    std::string_view part = dot == std::string_view::npos ? key : key.substr(dot + 1);
    key = key.substr(0, dot == std::string_view::npos ? 0 : dot);
    part = part.substr(0, part.find('['));
    const std::size_t line = part.rfind('_');
    const std::string_view before = part.substr(0, line == std::string_view::npos ? 0 : line);
    const std::string_view word = line == std::string_view::npos ? part : part.substr(line + 1);
    if (before == "per" || before.ends_with("_per")) return {};
    const auto found = std::ranges::find(kUnits, word, &Unit::name);
    if (found != kUnits.end()) return *found;
  }
  return {};
}

std::vector<double> aligned(const std::vector<Operand>& operands, std::optional<Unit>& unit) {
  const auto states = [](const Operand& o) { return o.unit && !o.unit->name.empty(); };
  auto leader = std::ranges::find_if(operands, states);
  if (leader == operands.end()) leader = std::ranges::find_if(operands, is_quantity);
  std::vector<double> numbers;
  if (leader == operands.end()) {
    for (const Operand& o : operands) numbers.push_back(number(o));
    return numbers;
  }
  unit = leader->unit;
  for (auto o = operands.begin(); o != operands.end(); ++o) {
    const bool fits = o->unit ? o->unit->dimension == unit->dimension
                              : states(*leader) || number(*o) == 0;  // no time is no time
    if (!fits) differ(*std::min(o, leader), *std::max(o, leader));
    numbers.push_back(o->unit ? number(*o) * (unit->per_base / o->unit->per_base) : number(*o));
  }
  return numbers;
}

Operand product(const Operand& a, const Operand& b) {
  if (!is_quantity(a) && !is_quantity(b)) {
    const auto unit = a.unit && b.unit ? std::nullopt : a.unit ? a.unit : b.unit;
    return {tidy(number(a) * number(b)), unit};
  }
  if (!a.unit || !b.unit) {
    const auto unit = a.unit ? a.unit : b.unit;
    return {tidy(number(a) * number(b), unit), unit};
  }
  const double base = in_base(a) * in_base(b);
  const auto are = [&](Dimension x, Dimension y) {
    return (a.unit->dimension == x && b.unit->dimension == y) ||
           (a.unit->dimension == y && b.unit->dimension == x);
  };
  if (are(Dimension::Bandwidth, Dimension::Time)) return measured(base, Dimension::Bytes);
  return {tidy(base)};
}

Operand quotient(const Operand& a, const Operand& b) {
  if (!b.unit) return {tidy(number(a) / number(b), a.unit), a.unit};
  if (!a.unit) return {tidy(number(a) / number(b))};
  const Dimension x = a.unit->dimension, y = b.unit->dimension;
  if (x == y) {  // how often the one is in the other
    std::optional<Unit> unit;
    const std::vector<double> both = aligned({a, b}, unit);
    return {tidy(both[0] / both[1])};
  }
  if (!is_quantity(a) && !is_quantity(b)) return {tidy(number(a) / number(b))};
  const double base = in_base(a) / in_base(b);
  if (x == Dimension::Bytes && y == Dimension::Time) return measured(base, Dimension::Bandwidth);
  if (x == Dimension::Bytes && y == Dimension::Bandwidth) return measured(base, Dimension::Time);
  return {tidy(base)};
}

}  // namespace moesim::tools
