// Multi-head latent attention (DeepSeek-V2), the core without its projections: in prefill every
// head has its own keys (nope + rope) and values; in decode, absorbed, one latent head of rank +
// rope serves all, and its values are the latent part of the keys.
#pragma once

#include <array>
#include <compare>
#include <optional>
#include <vector>

#include "hardware/kernels/flash.h"
#include "hardware/kernels/rising.h"
#include "hardware/kernels/shapes.h"

namespace moesim::hardware {

struct MlaInput {
  MlaShape shape;
  bool repeated = false;  // a benchmark's loop over one cache

  auto operator<=>(const MlaInput&) const = default;
};

struct ContextMlaModel {
  using Shape = MlaInput;
  using Parameters = PrefillParameters;
  static std::span<const ParameterField<Parameters>> fields() { return prefill_fields(); }
  static double us(const Shape& shape, const Rates& rates, const Parameters& p);
  static double least_us(const Shape& shape, const Rates& rates);
  static constexpr std::array<std::string_view, 3> kFeatures{"batch", "queries", "heads"};
  static std::array<double, 3> features(const Shape& shape);
  static constexpr std::array<std::string_view, 3> kBeside{"keys_before", "key_width",
                                                           "value_width"};
  static std::array<double, 3> beside(const Shape& shape);
  static std::vector<std::vector<double>> knots();
  // Of batch, queries and the keys before them.
  static const std::vector<Ladder>& ladders(const Shape& shape);
  static std::array<double, 3> sizes(const Shape& shape);
  static Shape with_sizes(Shape shape, const std::array<double, 3>& sizes);
  static std::string_view regime(const Shape& shape, const Rates& rates);
};

struct DecodeMlaModel {
  using Shape = MlaInput;
  using Parameters = DecodeParameters;
  static std::span<const ParameterField<Parameters>> fields() { return decode_fields(); }
  static double us(const Shape& shape, const Rates& rates, const Parameters& p);
  static double least_us(const Shape& shape, const Rates& rates);
  static constexpr std::array<std::string_view, 3> kFeatures{"batch", "keys", "heads"};
  static std::array<double, 3> features(const Shape& shape);
  static constexpr std::array<std::string_view, 2> kBeside{"key_width", "value_width"};
  static std::array<double, 2> beside(const Shape& shape);
  static std::vector<std::vector<double>> knots();
  static const std::vector<Ladder>& ladders(const Shape& shape);  // of batch and keys
  static std::array<double, 2> sizes(const Shape& shape);
  static Shape with_sizes(Shape shape, const std::array<double, 2>& sizes);
  // With a query less, of those that a decode checks together; none where there is one.
  static std::optional<Shape> with_fewer_queries(const Shape& shape);
  static std::string_view regime(const Shape& shape, const Rates& rates);
};

}  // namespace moesim::hardware
