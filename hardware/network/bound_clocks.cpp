#include "hardware/network/bound_clocks.h"

#include <algorithm>
#include <numeric>

namespace moesim::hardware {

// Most pairs exchange something, so that one of the first in the order of arrival is nearly always
// a peer.
void BoundClocks::find_last(const sim::Exchange& exchange, std::span<const sim::Time> arrivals) {
  const std::size_t n = arrivals.size();
  const auto later = [&](std::uint32_t a, std::uint32_t b) {
    return arrivals[a] != arrivals[b] ? arrivals[a] > arrivals[b] : a < b;
  };
  kept_by_.resize(n);
  std::iota(kept_by_.begin(), kept_by_.end(), 0u);
  if (exchange.barrier) {
    std::fill(kept_by_.begin(), kept_by_.end(),
              *std::min_element(kept_by_.begin(), kept_by_.end(), later));
    return;
  }
  const auto keeps = [&](std::uint32_t place, std::uint32_t other) {
    if (later(other, kept_by_[place])) kept_by_[place] = other;
  };
  if (exchange.messages.counts) {
    const std::uint32_t* const counts = exchange.messages.counts->data();
    order_.resize(n);
    std::iota(order_.begin(), order_.end(), 0u);
    std::sort(order_.begin(), order_.end(), later);
    for (std::uint32_t place = 0; place < n; ++place) {
      for (const std::uint32_t other : order_) {
        if (other == place) break;
        if ((counts[place * n + other] | counts[other * n + place]) == 0) continue;
        kept_by_[place] = other;
        break;
      }
    }
  }
  for (const sim::Transfer& t : exchange.transfers) {
    const std::uint32_t source = participants_.place(t.source);
    const std::uint32_t destination = participants_.place(t.destination);
    keeps(source, destination);
    keeps(destination, source);
  }
}

BoundClocks::Played BoundClocks::play(const sim::Exchange& exchange,
                                      std::span<const sim::Time> arrivals) {
  participants_.assign(exchange);
  const std::vector<sim::Duration>& times = network_.bound_times().of(exchange, participants_);
  if (counts_) traffic_.add(exchange);
  find_last(exchange, arrivals);
  done_.resize(arrivals.size());
  for (std::size_t i = 0; i < arrivals.size(); ++i) done_[i] = arrivals[kept_by_[i]] + times[i];
  return {done_, kept_by_};
}

}  // namespace moesim::hardware
