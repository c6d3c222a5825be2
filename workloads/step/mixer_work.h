// What a layer's token mixer costs on one tp rank: attention in its kinds, and what stands in its
// place.
#pragma once

#include "workloads/step/layer_work.h"

namespace moesim::workloads {

// Projections, cache write, core, output projection. REQUIRES: shape.tokens() > 0
Work mixer_work(const LayerPricing& pricing, const Mixer& mixer, const BatchShape& shape);

// A decoder's attention over the encoder's result; its keys are made once, with the prompt.
Work cross_attention_work(const LayerPricing& pricing, const GqaAttention& attention,
                          const BatchShape& shape);

}  // namespace moesim::workloads
