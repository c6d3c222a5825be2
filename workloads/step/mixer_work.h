// What a layer's token mixer costs on one tp rank: attention in its kinds, and what stands in its
// place.
#pragma once

#include <optional>

#include "workloads/step/layer_work.h"

namespace moesim::workloads {

// Projections, cache write, core, output projection. A batch that decodes and prefills projects all
// its tokens together; each part has an attention core of its own. REQUIRES: tokens_of(batch) > 0
Work mixer_work(const LayerPricing& pricing, const Mixer& mixer, const RankBatch& batch);

// What of the mixer depends on how many keys there are, of one part alone: the attention core, and
// of a prompt keys and values made from latent ones. Nothing where it does not stand apart.
// REQUIRES: no context parallelism
std::optional<Work> core_work(const LayerPricing& pricing, const Mixer& mixer,
                              const BatchShape& part);

// A decoder's attention over the encoder's result; its keys are made once, with the prompt.
Work cross_attention_work(const LayerPricing& pricing, const GqaAttention& attention,
                          const RankBatch& batch);

}  // namespace moesim::workloads
