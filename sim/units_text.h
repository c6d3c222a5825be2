// Quantities as text, both ways: "80 GiB", "400 Gbit/s", "3.35 TB/s", "989 TFLOP/s", "1.5 us".
//
// Reading is strict: a number, an optional space, a unit from the list of that quantity, nothing
// else. k, M, G, T, P are powers of 1000; Ki, Mi, Gi, Ti powers of 1024; a bit is written "bit".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sim/units.h"

namespace moesim::sim {

// What the text says; nothing where it does not parse, is negative, or does not fit.
std::optional<Bytes> parse_bytes(std::string_view text);
std::optional<Duration> parse_duration(std::string_view text);
std::optional<Bandwidth> parse_bandwidth(std::string_view text);
std::optional<FlopRate> parse_flop_rate(std::string_view text);

// An example of each, for error messages: "80 GiB".
inline constexpr const char* kBytesExample = "80 GiB";
inline constexpr const char* kDurationExample = "1.5 us";
inline constexpr const char* kBandwidthExample = "400 Gbit/s";
inline constexpr const char* kFlopRateExample = "989 TFLOP/s";

// For people: four significant digits in the unit that suits: "1.175 ms", "63.96 GB", "450 GB/s".
// Bytes are written in powers of 1000.
std::string to_text(Bytes amount);
std::string to_text(Duration time);
std::string to_text(Bandwidth rate);
std::string to_text(FlopRate rate);
std::string to_text(Flops amount);

}  // namespace moesim::sim
