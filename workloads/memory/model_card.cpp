#include "workloads/memory/model_card.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/error.h"
#include "workloads/deployment/layout_rules.h"
#include "workloads/placement/model_layout.h"

namespace moesim::workloads {

namespace {

CardFit fit(const ModelSpec& model, const CardOptions& options, const Formats& weights,
            std::string precision, const hardware::Device& device) {
  CardFit found;
  found.precision = std::move(precision);
  found.device = device.name;
  ServingOptions serving;
  serving.formats = weights;
  serving.formats.kv_cache = options.kv_cache.value_or(model.stored.kv_cache);
  ServingLoad load;
  load.context = model.max_context > 0 ? std::min(options.serving_context, model.max_context)
                                       : options.serving_context;
  for (std::int64_t gpus = 1; gpus <= kMostCardGpus; gpus *= 2) {
    for (const Parallelism& layout : card_layouts(model, gpus)) {
      if (options.engine &&
          !rule_problems(*options.engine, model, layout, serving.formats).empty()) {
        continue;
      }
      const MemoryPlan plan = plan_serving(model, layout, serving, load, device);
      if (!plan.fits()) continue;
      found.gpus = gpus;
      found.layout = layout;
      found.memory = plan.gpu();
      found.capacity = plan.capacity;
      found.largest_batch = largest_batch(model, layout, serving, load, device);
      found.largest_context = largest_context(model, layout, serving, load, device);
      return found;
    }
  }
  return found;
}

}  // namespace

std::vector<Parallelism> card_layouts(const ModelSpec& model, std::int64_t gpus) {
  std::vector<Parallelism> layouts;
  const MoeFfn* moe = model.largest_moe();
  for (const std::int64_t tp : {8, 4, 2, 1}) {
    if (gpus % tp != 0) continue;
    const auto add = [&](const Parallelism& layout) {
      if (layout_problems(model, layout).empty()) layouts.push_back(layout);
    };
    if (moe != nullptr && moe->experts % gpus == 0) {
      add({.tp = tp, .dp = gpus / tp, .ep = gpus});
    }
    if (gpus / tp <= model.layer_count()) add({.tp = tp, .pp = gpus / tp, .etp = tp});
  }
  std::erase_if(layouts, [](const Parallelism& p) { return !check_layout(p).empty(); });
  return layouts;
}

ModelCard make_card(const ModelSpec& model, const CardOptions& options) {
  const std::int64_t most = model.max_context > 0 ? model.max_context : INT64_MAX;
  const std::int64_t context = options.context.value_or(std::min<std::int64_t>(1024, most));
  if (context > most) {
    throw sim::ConfigError(
        fmt::format("--context: {} takes at most {} tokens, not {}", model.name, most, context));
  }
  ModelCard card;
  card.model = model;
  card.headline = headline_params(model);
  card.params = count_params(model);
  for (std::size_t k = 0; k < model.kinds.size(); ++k) {
    const auto layers = std::count(model.layers.begin(), model.layers.end(), k);
    if (layers > 0) {
      card.kinds.push_back(
          {model.kinds[k].name, layers, layer_params(model.kinds[k], model.hidden)});
    }
  }
  if (const MoeFfn* moe = model.largest_moe()) {
    card.experts = moe->experts;
    card.top_k = moe->top_k;
    card.shared_experts = moe->shared_experts;
  }
  card.moe_layers = static_cast<std::int64_t>(model.moe_layers().size());
  const hardware::Precision kv = options.kv_cache.value_or(model.stored.kv_cache);
  card.kv_precision = kv;
  card.kv_bytes_per_token = kv_bytes_per_token(model, kv);
  card.state_bytes = kv_bytes(model, kv, 0);
  for (const hardware::Precision p : hardware::kPrecisions) {
    card.weight_bytes.emplace_back(hardware::name_of(p),
                                   weight_bytes(model, precision_of_weights(model, p)).total());
  }
  card.stored_bytes = weight_bytes(model, model.stored).total();
  card.context = context;
  card.prefill = prefill_flops(model, context);
  card.decode = decode_flops(model, context);
  card.training = training_flops(model, context);
  card.decode_bytes = decode_bytes(model, model.stored, kv, context);
  card.prefill_bytes = card.stored_bytes / static_cast<double>(context) + card.kv_bytes_per_token;
  card.dense = dense_equivalents(model);
  for (const hardware::Device& device : options.devices) {
    if (options.precisions.empty()) {
      card.fits.push_back(fit(model, options, model.stored, "stored", device));
    }
    for (const hardware::Precision p : options.precisions) {
      card.fits.push_back(fit(model, options, precision_of_weights(model, p),
                              std::string(hardware::name_of(p)), device));
    }
  }
  return card;
}

}  // namespace moesim::workloads
