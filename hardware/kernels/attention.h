// Attention with a key-value cache, prefill and decode: the widths of grouped attention put into
// flash.h.
#pragma once

#include <array>
#include <compare>
#include <optional>
#include <vector>

#include "hardware/kernels/flash.h"
#include "hardware/kernels/rising.h"
#include "hardware/kernels/shapes.h"

namespace moesim::hardware {

struct AttentionInput {
  AttentionShape shape;
  bool repeated = false;     // a benchmark's loop over one cache
  double most_packed = 1e9;  // query heads of a kv head that decode computes together (flash.h)

  auto operator<=>(const AttentionInput&) const = default;
};

// Of an implementation's decode kernels: TensorRT-LLM's tables step up beyond 32, vLLM's do not.
double most_packed_heads(std::string_view implementation);

struct ContextAttentionModel {
  using Shape = AttentionInput;
  using Parameters = PrefillParameters;
  static std::span<const ParameterField<Parameters>> fields() { return prefill_fields(); }
  static double us(const Shape& shape, const Rates& rates, const Parameters& p);
  static double least_us(const Shape& shape, const Rates& rates);
  static constexpr std::array<std::string_view, 5> kFeatures{"batch", "queries", "heads", "group",
                                                             "head_dim"};
  static std::array<double, 5> features(const Shape& shape);
  // Keys before the prompt, and the window where it is shorter than what there is to see.
  static constexpr std::array<std::string_view, 2> kBeside{"keys_before", "window"};
  static std::array<double, 2> beside(const Shape& shape);
  static std::vector<std::vector<double>> knots();
  // Of batch, queries and the keys before them.
  static const std::vector<Ladder>& ladders(const Shape& shape);
  static std::array<double, 3> sizes(const Shape& shape);
  static Shape with_sizes(Shape shape, const std::array<double, 3>& sizes);
  static std::string_view regime(const Shape& shape, const Rates& rates);
};

struct DecodeAttentionModel {
  using Shape = AttentionInput;
  using Parameters = DecodeParameters;
  static std::span<const ParameterField<Parameters>> fields() { return decode_fields(); }
  static double us(const Shape& shape, const Rates& rates, const Parameters& p);
  static double least_us(const Shape& shape, const Rates& rates);
  // blocks: batch x heads, packed where the kernel packs them (flash.h).
  static constexpr std::array<std::string_view, 4> kFeatures{"blocks", "keys", "group", "head_dim"};
  static std::array<double, 4> features(const Shape& shape);
  static constexpr std::array<std::string_view, 2> kBeside{"batch", "heads"};
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
