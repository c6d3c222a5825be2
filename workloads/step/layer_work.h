// What the parts of a layer cost on one GPU, experts and communication apart: the shapes of their
// GEMMs and attention kernels, priced by hardware::Kernels. All widths are those of one tp rank.
#pragma once

#include <cstdint>

#include "hardware/kernels/kernels.h"
#include "workloads/deployment/engine_parts.h"
#include "workloads/model/model_spec.h"
#include "workloads/step/batch.h"
#include "workloads/step/work.h"

namespace moesim::workloads {

// A width or a count divided over tp ranks; what does not divide is padded up, as engines do.
constexpr std::int64_t split(std::int64_t count, std::int64_t tp) {
  return (count + tp - 1) / tp;
}

struct LayerPricing {
  const hardware::Kernels& kernels;
  const ModelSpec& model;
  Formats precision;
  std::int64_t tp = 1;
  std::int64_t cp = 1;
  Composition composition = {};      // of the engine
  hardware::DeviceShare share = {};  // the rest belongs to communication kernels

  // A product of `tokens` activations, which a norm, an activation or attention made; `again`: of
  // activations that another product has read.
  Work product(std::int64_t tokens, std::int64_t n, std::int64_t k, hardware::Precision format,
               bool again = false) const;
  // Norm, projections, cache write, attention core, output projection: of a layer's mixer.
  // `batch` is all that the dp rank has; cp divides a prompt's queries and a decode's
  // keys (context_split.h).
  Work mixer(const LayerKind& layer, const RankBatch& batch) const;
  // Bytes that the tp ranks add up amid the mixer's work on `tokens` tokens: the squares of queries
  // and of keys, fp32, where a norm is over all heads. Zero elsewhere, and where tp is 1.
  sim::Bytes norm_sums(const LayerKind& layer, std::int64_t tokens) const;
  // Norm and feed-forward network of a layer without experts; zero where it has none.
  Work dense(const LayerKind& layer, std::int64_t tokens) const;
  // Router GEMM and choice over `tokens` rows. `within`: the experts' layer follows on this GPU,
  // and may have been measured with its choice.
  Work router(const MoeFfn& moe, std::int64_t tokens, bool within) const;
  // Numbers of the activations' format in, of `format` and its scales out: before they are sent.
  Work quantise(std::int64_t tokens, std::int64_t width, hardware::Precision format) const;
  // Two norms, and the projection of a token and of what is known of it to one vector.
  Work draft_input(std::int64_t tokens) const;
  // Two vectors a token added up: what routed and shared experts give.
  Work sum(std::int64_t tokens) const;
  // Shared experts and dense branch of a mixture layer, split over tp unless `whole`.
  Work shared(const MoeFfn& moe, std::int64_t tokens, bool whole) const;
  // Embedding rows; final norm and projection to the vocabulary of `rows` tokens.
  Work embedding(std::int64_t tokens) const;
  Work head(std::int64_t rows) const;
};

}  // namespace moesim::workloads
