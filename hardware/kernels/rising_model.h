// A cost model whose times never fall as its sizes grow: what rising.h makes of its formula, its
// residual table and the fewer tokens that a step may check together.
//
// Beside what fitted.h says, such a model has
//   ladders(shape) -> vector<Ladder>            of the sizes that work grows with; none for shapes
//                                               whose measured times do fall
//   sizes(shape) -> array<double>               in their order
//   with_sizes(shape, array<double>) -> Shape   the same but for those
//   with_fewer_queries(shape) (optional)        a shape that takes no longer
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "hardware/kernels/rates.h"
#include "hardware/kernels/rising.h"

namespace moesim::hardware {

template <class M>
concept Rises = requires(const typename M::Shape& shape) {
  M::ladders(shape);
};

// Keeps the times of the shapes that it was asked for. May be asked by several threads.
template <class M>
class RisingModel {
 public:
  using Shape = typename M::Shape;

  // `at_step(shape, rates)`: microseconds at a step of the ladders; zero work takes none.
  // `formula(shape, rates)`: what a shape beyond their ends adds.
  template <class AtStep, class Formula>
  double us(const Shape& shape, const Rates& rates, AtStep at_step, Formula formula) const {
    const std::vector<Ladder>& ladders = M::ladders(shape);
    if (ladders.empty()) return at_step(shape, rates);
    auto sizes = M::sizes(shape);
    bool beyond = false;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] < ladders[i].front()) return 0;
      beyond = beyond || sizes[i] > ladders[i].back();
      sizes[i] = std::min(sizes[i], ladders[i].back());
    }
    const double us = times(shape, rates, at_step).at(sizes);
    if (!beyond) return us;
    const Shape within = M::with_sizes(shape, sizes);
    return us + std::max(0.0, formula(shape, rates) - formula(within, rates));
  }

 private:
  // What a shape is beside its sizes, and the number of steps of its ladders.
  using Key = std::tuple<Shape, Rates, std::size_t>;
  using Known = std::pair<const Key, RisingTimes>;

  template <class AtStep>
  const RisingTimes& times(const Shape& shape, const Rates& rates, AtStep at_step) const {
    auto least = M::sizes(shape);
    std::size_t steps = 1;
    for (std::size_t i = 0; i < least.size(); ++i) {
      const Ladder& ladder = M::ladders(shape)[i];
      least[i] = ladder.front();
      steps *= ladder.size();
    }
    const Key key(M::with_sizes(shape, least), rates, steps);
    // Nearly always it is the same layer's kernel as before.
    const Known* last = kept_->last.load(std::memory_order_acquire);
    if (last != nullptr && last->first == key) return last->second;
    const std::lock_guard lock(kept_->mutex);
    auto found = kept_->known.find(key);
    if (found == kept_->known.end())
      found = kept_->known.emplace(key, computed(shape, rates, at_step)).first;
    kept_->last.store(&*found, std::memory_order_release);
    return found->second;
  }

  template <class AtStep>
  static RisingTimes computed(const Shape& shape, const Rates& rates, AtStep at_step) {
    const std::vector<Ladder>& ladders = M::ladders(shape);
    std::size_t crossings = 1;
    for (const Ladder& ladder : ladders) crossings *= ladder.size();
    std::vector<double> times(crossings);
    auto sizes = M::sizes(shape);
    for (std::size_t i = 0; i < crossings; ++i) {
      std::size_t left = i;
      for (std::size_t d = sizes.size(); d-- > 0;) {
        sizes[d] = ladders[d][left % ladders[d].size()];
        left /= ladders[d].size();
      }
      times[i] = at_step(M::with_sizes(shape, sizes), rates);
    }
    return RisingTimes(ladders, std::move(times));
  }

  struct Kept {
    std::mutex mutex;
    std::map<Key, RisingTimes> known;
    std::atomic<const Known*> last = nullptr;
  };
  std::shared_ptr<Kept> kept_ = std::make_shared<Kept>();
};

}  // namespace moesim::hardware
