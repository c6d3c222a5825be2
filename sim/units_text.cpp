#include "sim/units_text.h"

#include "sim/units_range.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <span>

namespace moesim::sim {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

// Largest first: to_text takes the first unit that leaves at least 1.
constexpr std::array kBytesUnits{Unit{"PB", 1e15},    Unit{"TB", 1e12},    Unit{"GB", 1e9},
                                 Unit{"MB", 1e6},     Unit{"kB", 1e3},     Unit{"B", 1},
                                 Unit{"TiB", 0x1p40}, Unit{"GiB", 0x1p30}, Unit{"MiB", 0x1p20},
                                 Unit{"KiB", 0x1p10}, Unit{"PiB", 0x1p50}};
constexpr std::array kDurationUnits{Unit{"s", 1e12}, Unit{"ms", 1e9}, Unit{"us", 1e6},
                                    Unit{"ns", 1e3}, Unit{"ps", 1}};
constexpr std::array kBandwidthUnits{
    Unit{"TB/s", 1e12},       Unit{"GB/s", 1e9},       Unit{"MB/s", 1e6},
    Unit{"kB/s", 1e3},        Unit{"B/s", 1},          Unit{"TiB/s", 0x1p40},
    Unit{"GiB/s", 0x1p30},    Unit{"MiB/s", 0x1p20},   Unit{"KiB/s", 0x1p10},
    Unit{"Tbit/s", 1e12 / 8}, Unit{"Gbit/s", 1e9 / 8}, Unit{"Mbit/s", 1e6 / 8},
    Unit{"kbit/s", 1e3 / 8},  Unit{"bit/s", 1.0 / 8}};
constexpr std::array kFlopRateUnits{Unit{"PFLOP/s", 1e15}, Unit{"TFLOP/s", 1e12},
                                    Unit{"GFLOP/s", 1e9}, Unit{"MFLOP/s", 1e6}, Unit{"FLOP/s", 1}};
constexpr std::array kFlopsUnits{Unit{"PFLOP", 1e15}, Unit{"TFLOP", 1e12}, Unit{"GFLOP", 1e9},
                                 Unit{"MFLOP", 1e6}, Unit{"FLOP", 1}};

// The text in base units.
std::optional<double> parse(std::string_view text, std::span<const Unit> units) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !std::isfinite(number) || std::signbit(number)) return {};
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const Unit& known : units) {
    if (unit == known.name) return number * known.factor;
  }
  return {};
}

std::optional<std::int64_t> whole(std::optional<double> amount) {
  // The nearest whole number: "0.1 us" is 100,000 ps, though 0.1 is no binary fraction.
  if (!amount || *amount >= 9.2e18) return {};
  return std::llround(*amount);
}

std::string format(double amount, std::span<const Unit> units) {
  if (amount == 0) return fmt::format("0 {}", units.back().name);
  for (const Unit& unit : units) {
    // 999.96 kB has four digits only as 1 MB.
    if (std::abs(amount) >= unit.factor * 0.99995) {
      return fmt::format("{:.4g} {}", amount / unit.factor, unit.name);
    }
  }
  return fmt::format("{:.4g} {}", amount / units.back().factor, units.back().name);
}

}  // namespace

namespace {

std::string wrong_amount(std::string_view text, std::span<const Unit> units,
                         std::string_view most) {
  const bool negative = text.starts_with('-');
  const auto amount = parse(negative ? text.substr(1) : text, units);
  if (!amount || (!negative && whole(amount))) return {};
  return negative ? "is negative" : fmt::format("is more than {}, which is the most", most);
}

}  // namespace

std::string wrong_bytes(std::string_view text) {
  return wrong_amount(text, kBytesUnits, "9.2e18 bytes");
}
std::string wrong_duration(std::string_view text) {
  return wrong_amount(text, kDurationUnits, "106 days");
}

std::optional<Bytes> parse_bytes(std::string_view text) {
  const auto count = whole(parse(text, kBytesUnits));
  if (!count) return {};
  return Bytes(*count);
}

std::optional<Duration> parse_duration(std::string_view text) {
  const auto count = whole(parse(text, kDurationUnits));
  if (!count) return {};
  return Duration(*count);
}

std::optional<Bandwidth> parse_bandwidth(std::string_view text) {
  const auto rate = parse(text, kBandwidthUnits);
  if (!rate) return {};
  return Bandwidth(*rate);
}

std::optional<FlopRate> parse_flop_rate(std::string_view text) {
  const auto rate = parse(text, kFlopRateUnits);
  if (!rate) return {};
  return FlopRate(*rate);
}

std::string to_text(Bytes amount) {
  return format(static_cast<double>(amount.count()), std::span(kBytesUnits).first(6));
}
std::string to_text(Duration time) {
  if (time == kForever) return "forever";
  return format(static_cast<double>(time.count()), kDurationUnits);
}
std::string to_text(Bandwidth rate) {
  return format(rate.bytes_per_second(), std::span(kBandwidthUnits).first(5));
}
std::string to_text(FlopRate rate) {
  return format(rate.flop_per_second(), kFlopRateUnits);
}
std::string to_text(Flops amount) {
  return format(amount.count(), kFlopsUnits);
}

}  // namespace moesim::sim
