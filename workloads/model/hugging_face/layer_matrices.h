// The matrices of a layer that checkpoints quantise: how many numbers each has, and the names by
// which checkpoints call it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "workloads/model/model_spec.h"

namespace moesim::workloads {

enum class WeightPart { Attention, Experts, SharedExperts, DenseFfn };
inline constexpr std::array<WeightPart, 4> kWeightParts{
    WeightPart::Attention, WeightPart::Experts, WeightPart::SharedExperts, WeightPart::DenseFfn};

// Names are without what stands before a layer's number. The first is what most checkpoints say, of
// families with names of their own those follow. In an expert's, "#" stands where its number does.
struct LayerMatrix {
  WeightPart part = WeightPart::Attention;
  std::int64_t numbers = 0;  // of one expert
  std::vector<std::string_view> names;
};

// Of each part they sum to what layer_params() counts as matrices.
std::vector<LayerMatrix> matrices_of(const LayerKind& kind, std::int64_t hidden);

}  // namespace moesim::workloads
