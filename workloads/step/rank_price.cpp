#include "workloads/step/rank_price.h"

#include <algorithm>
#include <map>
#include <utility>

#include "workloads/step/factors.h"
#include "workloads/step/rank_ops.h"

namespace moesim::workloads {

RankPricer::RankPricer(const Program& program, const Deployment& deployment,
                       std::size_t most_remembered)
    : program_(program),
      deployment_(deployment),
      most_remembered_(most_remembered),
      prefill_(classify(deployment.model.prefill_layers())),
      decode_(classify(deployment.model.decode_layers())) {}

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
  found.stretches.before.push_back(static_cast<std::uint32_t>(found.stretches.counts.size()));
  found.stretches.counts.push_back(stretch);
  return found;
}

RankPricer::Known& RankPricer::known_of(bool prompts_only, double speed) {
  for (Known& known : known_) {
    if (known.prompts_only == prompts_only && known.speed == speed) return known;
  }
  return known_.emplace_back(Known{prompts_only, speed, BatchTable<RankPrice>(most_remembered_),
                                   BatchTable<Bases>(most_remembered_)});
}

// Kernels' times add up, so what does not depend on keys is priced once for any number of them.
RankPricer::Bases RankPricer::bases(const RankBatch& batch, const Layers& layers) const {
  Bases bases;
  for (const Class& of_class : layers.classes) {
    const Work all = program_.attention_work(of_class.layer, batch);
    Base base{.time = all.time, .cores = time_of_cores(all), .apart = true};
    for (const BatchShape& part : batch) {
      if (part.tokens() == 0) continue;
      const std::optional<Work> core = program_.core_work(of_class.layer, part);
      base.apart = base.apart && core.has_value();
      if (!base.apart) break;
      base.time -= core->time;
      base.cores -= time_of_cores(*core);
    }
    bases.classes.push_back(base);
  }
  const Work head = program_.head_work(batch);
  bases.head = head.time;
  bases.logits = program_.gathering_logits(batch);
  return bases;
}

RankPrice RankPricer::price(const RankBatch& batch, Known& known) const {
  RankBatch without = batch;
  for (BatchShape& part : without) part.kv_length = part.encoder_length = part.query_length;
  const Layers& layers = layers_of(known.prompts_only);
  const Bases& bases = known.bases.of(without, [&] { return this->bases(without, layers); });
  RankPrice price{.head = time_at(known.speed, bases.head), .logits = bases.logits};
  std::vector<sim::Duration> of_class;
  sim::Duration attention{}, attention_cores{};
  std::vector<Work> cores;  // of the class at hand, which its neighbour of the same kind shares
  for (std::size_t c = 0; c < layers.classes.size(); ++c) {
    const Class& layer = layers.classes[c];
    Base of_layer = bases.classes[c];
    if (of_layer.apart) {
      if (c == 0 || layers.classes[c - 1].kind != layer.kind) {
        cores.clear();
        for (const BatchShape& part : batch) {
          if (part.tokens() > 0) cores.push_back(*program_.core_work(layer.layer, part));
        }
      }
      for (const Work& core : cores) {
        of_layer.time += core.time;
        of_layer.cores += time_of_cores(core);
      }
    } else {
      const Work all = program_.attention_work(layer.layer, batch);
      of_layer = {.time = all.time, .cores = time_of_cores(all)};
    }
    of_class.push_back(of_layer.time);
    attention += of_layer.time * layer.count;
    attention_cores += of_layer.cores * layer.count;
  }
  price.attention = time_at(known.speed, attention);
  price.cores = time_at(known.speed, attention_cores);
  for (const std::vector<std::int64_t>& counts : layers.stretches.counts) {
    sim::Duration sum{};
    for (std::size_t c = 0; c < counts.size(); ++c) {
      sum += time_at(known.speed, of_class[c]) * counts[c];
    }
    price.stretches.push_back(static_cast<double>(sum.count()));
  }
  price.stretches.back() += static_cast<double>(price.head.count());
  return price;
}

const RankPrice& RankPricer::of(const RankBatch& batch, bool prompts_only, double speed) {
  Known& known = known_of(prompts_only, speed);
  return known.prices.of(batch, [&] { return price(batch, known); });
}

}  // namespace moesim::workloads
