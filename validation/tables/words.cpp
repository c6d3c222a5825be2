#include "validation/tables/words.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <span>

namespace moesim::validation {
namespace {

using hardware::Precision;

bool has(std::string_view word, std::string_view part) {
  return word.find(part) != std::string_view::npos;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<double> first_number(std::string_view word) {
  std::size_t begin = 0;
  while (begin < word.size() && !is_digit(word[begin])) ++begin;
  double number = 0;
  const auto [end, error] = std::from_chars(word.data() + begin, word.data() + word.size(), number,
                                            std::chars_format::fixed);
  if (error != std::errc{} || end == word.data() + begin) return {};
  return number;
}

// The wider first: of two that are as near it is taken.
constexpr std::array kFloats{Precision::FP64, Precision::FP32, Precision::BF16, Precision::FP8,
                             Precision::NVFP4};
constexpr std::array kWhole{Precision::BF16, Precision::INT8, Precision::INT4};

constexpr double kMostOfZipf = 10;  // the steepest power law that a table may have

}  // namespace

std::optional<Precision> nearest_precision(std::string_view word) {
  const std::optional<double> bits = first_number(word);
  if (!bits || *bits < 2 || *bits > 64) return {};
  const bool mx = has(word, "mx");
  const bool whole = !has(word, "fp") && !has(word, "nv") && !mx &&
                     (has(word, "int") || word.starts_with('w') || word.starts_with('q'));
  const std::span<const Precision> among =
      whole ? std::span<const Precision>(kWhole) : std::span<const Precision>(kFloats);
  Precision nearest = among.front();
  double least = 1e9;
  for (const Precision p : among) {
    // Bits of the numbers alone: scales are no part of a name.
    const double own = p == Precision::NVFP4 ? 4 : 8 * bytes_per_element(p);
    const double far = std::abs(std::log2(*bits / own));
    if (far < least - 1e-9) least = far, nearest = p;
  }
  if (nearest == Precision::FP8 && (mx || has(word, "block"))) return Precision::FP8Block;
  if (nearest == Precision::NVFP4 && mx) return Precision::MXFP4;
  return nearest;
}

std::string nearest_law(std::string_view word) {
  const std::string eplb = word.ends_with("_eplb") ? "_eplb" : "";
  if (has(word, "zipf")) {
    const double s = first_number(word).value_or(1);
    const double alpha = s > 0 ? 1 + 1 / s : kMostOfZipf + 1;
    if (alpha <= kMostOfZipf) return fmt::format("power_law_{:.4g}{}", alpha, eplb);
    return "uniform";
  }
  if (has(word, "power")) return fmt::format("power_law_1.01{}", eplb);
  if (has(word, "balanced") && !has(word, "un") && !has(word, "im")) return "balanced";
  if (has(word, "round_robin") || has(word, "even")) return "balanced";
  return "uniform";
}

}  // namespace moesim::validation
