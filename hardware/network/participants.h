// The ranks of one exchange by their place among its participants.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/exchange.h"

namespace moesim::hardware {

class Participants {
 public:
  void assign(const sim::Exchange& exchange) {
    ranks_ = &exchange.participants;
    const auto count = ranks_->size();
    first_ = count > 0 ? ranks_->front() : 0;
    places_.clear();
    // Ranks one after the other, as nearly always, need no table.
    if (count > 0 && ranks_->back() - first_ + 1 == count) return;
    places_.assign(count > 0 ? ranks_->back() - first_ + 1 : 0, 0);
    for (std::size_t i = 0; i < count; ++i) {
      places_[(*ranks_)[i] - first_] = static_cast<std::uint32_t>(i);
    }
  }
  std::size_t size() const { return ranks_->size(); }
  std::uint32_t place(sim::Rank rank) const {
    return places_.empty() ? rank - first_ : places_[rank - first_];
  }
  sim::Rank rank(std::size_t place) const { return (*ranks_)[place]; }

  // sim::for_each_transfer by places: visit(source, destination, bytes). REQUIRES: the exchange
  // that was assigned
  template <class Visit>
  void for_each_transfer(const sim::Exchange& exchange, Visit visit) const {
    sim::for_each_transfer(exchange, [&](const sim::Transfer& t) {
      visit(place(t.source), place(t.destination), t.bytes);
    });
  }

 private:
  const std::vector<sim::Rank>* ranks_ = nullptr;
  sim::Rank first_ = 0;
  std::vector<std::uint32_t> places_;
};

}  // namespace moesim::hardware
