#include "workloads/step/rank_price.h"

#include <algorithm>
#include <map>
#include <utility>

#include "workloads/step/factors.h"

namespace moesim::workloads {

RankPricer::RankPricer(const Program& program, const Deployment& deployment,
                       std::size_t most_remembered)
    : program_(program),
      deployment_(deployment),
      most_remembered_(most_remembered),
      prefill_(classify(deployment.model.prefill_layers())),
      decode_(classify(deployment.model.decode_layers())) {}

std::size_t RankPricer::Hash::operator()(const Key& key) const {
  return hash_of(key.batch) ^ (key.prompts_only ? 1 : 0);
}

RankPricer::Layers RankPricer::classify(const LayerRange& layers) const {
  const auto key_of = [&](std::int64_t layer) {
    return std::pair{deployment_.model.layers[static_cast<std::size_t>(layer)],
                     program_.sums_before(layer)};
  };
  std::map<std::pair<std::size_t, bool>, std::size_t> class_of;
  Layers found;
  for (std::int64_t layer = layers.first; layer < layers.last; ++layer) {
    const auto [at, is_new] = class_of.try_emplace(key_of(layer), found.classes.size());
    if (is_new) found.classes.push_back({.layer = layer, .kind = key_of(layer).first});
    ++found.classes[at->second].count;
  }
  const bool meets = tokens_are_sharded(deployment_);
  std::vector<std::int64_t> stretch(found.classes.size(), 0);
  const auto end_stretch = [&] {
    auto& counts = found.stretches.counts;
    const auto same = std::ranges::find(counts, stretch);
    found.stretches.before.push_back(static_cast<std::uint32_t>(same - counts.begin()));
    if (same == counts.end()) counts.push_back(stretch);
    std::ranges::fill(stretch, 0);
  };
  for (std::int64_t layer = layers.first; layer < layers.last; ++layer) {
    ++stretch[class_of[key_of(layer)]];
    if (meets && deployment_.model.moe(layer) != nullptr) end_stretch();
  }
  end_stretch();
  return found;
}

// Kernels' times add up, so what does not depend on keys is priced once for any number of them.
const RankPricer::Bases& RankPricer::bases_of(const Key& key) {
  Key without = key;
  for (BatchShape& part : without.batch) part.kv_length = part.query_length;
  if (const auto found = bases_.find(without); found != bases_.end()) return found->second;
  if (bases_.size() >= most_remembered_) bases_.clear();
  Bases bases;
  for (const Class& layers : layers_of(key).classes) {
    const Work all = program_.attention_work(layers.layer, without.batch);
    Base base{.time = all.time,
              .cores = time_of_cores(all),
              .apart = true,
              .extrapolated = all.extrapolated() > sim::Duration{}};
    for (const BatchShape& part : without.batch) {
      if (part.tokens() == 0) continue;
      const std::optional<Work> core = program_.core_work(layers.layer, part);
      base.apart = base.apart && core.has_value();
      if (!base.apart) break;
      base.time -= core->time;
      base.cores -= core->time;
    }
    bases.classes.push_back(base);
  }
  const Work head = program_.head_work(key.batch);
  bases.head = head.time;
  bases.extrapolated = head.extrapolated() > sim::Duration{};
  bases.logits = program_.gathering_logits(key.batch);
  return bases_.emplace(std::move(without), std::move(bases)).first->second;
}

RankPrice RankPricer::price(const Key& key) {
  const Bases& bases = bases_of(key);
  const std::vector<Class>& classes = layers_of(key).classes;
  RankPrice price{.head = bases.head, .logits = bases.logits, .extrapolated = bases.extrapolated};
  std::vector<Work> cores;  // of the class at hand, which its neighbour of the same kind shares
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const Class& layers = classes[c];
    Base of_layer = bases.classes[c];
    if (of_layer.apart) {
      if (c == 0 || classes[c - 1].kind != layers.kind) {
        cores.clear();
        for (const BatchShape& part : key.batch) {
          if (part.tokens() > 0) cores.push_back(*program_.core_work(layers.layer, part));
        }
      }
      for (const Work& core : cores) {
        of_layer.time += core.time;
        of_layer.cores += core.time;
        of_layer.extrapolated = of_layer.extrapolated || core.extrapolated() > sim::Duration{};
      }
    } else {
      const Work all = program_.attention_work(layers.layer, key.batch);
      of_layer = {.time = all.time,
                  .cores = time_of_cores(all),
                  .extrapolated = all.extrapolated() > sim::Duration{}};
    }
    price.layer.push_back(of_layer.time);
    price.attention += of_layer.time * layers.count;
    price.cores += of_layer.cores * layers.count;
    price.extrapolated = price.extrapolated || of_layer.extrapolated;
  }
  return price;
}

const RankPrice& RankPricer::of(const RankBatch& batch, bool prompts_only) {
  Key key{batch, prompts_only};
  if (const auto found = known_.find(key); found != known_.end()) return found->second;
  if (known_.size() >= most_remembered_) known_.clear();
  RankPrice made = price(key);
  return known_.emplace(std::move(key), made).first->second;
}

}  // namespace moesim::workloads
