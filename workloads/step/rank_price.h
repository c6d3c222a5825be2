// What of a step is priced for each dp rank by itself, from its own batch: attention of all layers
// and the head. The rest depends on how many tokens there are and where they are routed.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <list>
#include <vector>

#include "workloads/step/batch.h"
#include "workloads/step/batch_table.h"
#include "workloads/step/program.h"

namespace moesim::workloads {

struct RankPrice {
  // Of each stretch between meetings (Stretches), in ps: attention, and of the last one the head.
  boost::container::small_vector<double, 3> stretches = {};
  sim::Duration attention{};  // of all layers that such a step passes, norms and projections too
  sim::Duration cores{};      // of it
  sim::Duration head{};
  sim::Duration logits{};  // gathering them, alone
};

class RankPricer {
 public:
  // Both outlive this. Of at most so many batches the price is remembered; then all are forgotten.
  RankPricer(const Program& program, const Deployment& deployment, std::size_t most_remembered);

  // `prompts_only`: no rank of the step decodes. `speed`: of the rank's slowest device. Valid until
  // the next call.
  const RankPrice& of(const RankBatch& batch, bool prompts_only, double speed);

  // The layers that such a step passes between the meetings of its ranks (rank_clocks.h), counted
  // by class: of each meeting which of `counts`. The last ones before the end are one by
  // themselves.
  struct Stretches {
    std::vector<std::vector<std::int64_t>> counts;  // different ones; [stretch][class]
    std::vector<std::uint32_t> before;              // of each meeting
  };
  const Stretches& stretches(bool prompts_only) const {
    return (prompts_only ? prefill_ : decode_).stretches;
  }

 private:
  // Layers that are priced alike are a class.
  struct Class {
    std::int64_t layer = 0;  // one of them
    std::int64_t count = 0;
    std::size_t kind = 0;  // of the model's
  };
  struct Layers {
    std::vector<Class> classes;
    Stretches stretches;
  };
  Layers classify(const LayerRange& layers) const;
  const Layers& layers_of(bool prompts_only) const { return prompts_only ? prefill_ : decode_; }
  // Of each class, where cores stand apart: all but the cores. Otherwise all of it.
  struct Base {
    sim::Duration time{}, cores{};
    bool apart = false;
  };
  struct Bases {
    std::vector<Base> classes;
    sim::Duration head{}, logits{};
  };
  // What is remembered of ranks of one kind.
  struct Known {
    bool prompts_only = false;
    double speed = 1;
    BatchTable<RankPrice> prices;
    BatchTable<Bases> bases;  // of batches as if no key were there before
  };
  Known& known_of(bool prompts_only, double speed);
  Bases bases(const RankBatch& batch, const Layers& layers) const;
  RankPrice price(const RankBatch& batch, Known& known) const;

  const Program& program_;
  const Deployment& deployment_;
  std::size_t most_remembered_;
  Layers prefill_, decode_;
  std::list<Known> known_;
};

}  // namespace moesim::workloads
