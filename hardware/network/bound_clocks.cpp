#include "hardware/network/bound_clocks.h"

#include <algorithm>
#include <numeric>

namespace moesim::hardware {

// Most pairs exchange something, so that who comes last is nearly always a peer; else the others
// are asked in the order of arrival.
void BoundClocks::find_last(const sim::Exchange& exchange, std::span<const sim::Time> arrivals) {
  const std::size_t n = arrivals.size();
  const auto later = [&](std::uint32_t a, std::uint32_t b) {
    return arrivals[a] != arrivals[b] ? arrivals[a] > arrivals[b] : a < b;
  };
  kept_by_.resize(n);
  if (n == 0) return;
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
    const auto are_peers = [&](std::size_t a, std::size_t b) {
      return (counts[a * n + b] | counts[b * n + a]) != 0;
    };
    const std::uint32_t last = *std::min_element(kept_by_.begin(), kept_by_.end(), later);
    order_.clear();
    for (std::uint32_t place = 0; place < n; ++place) {
      if (place == last || are_peers(place, last)) {
        kept_by_[place] = last;
        continue;
      }
      if (order_.empty()) {
        order_.resize(n);
        std::iota(order_.begin(), order_.end(), 0u);
        std::sort(order_.begin(), order_.end(), later);
      }
      kept_by_[place] = *std::ranges::find_if(
          order_, [&](std::uint32_t other) { return other == place || are_peers(place, other); });
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
