#include "workloads/routing/statistics/repeat_counter.h"

#include <algorithm>

namespace moesim::workloads {
namespace {

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

RepeatCounter::RepeatCounter(std::uint32_t layers, std::uint32_t experts, std::uint32_t top_k)
    : layers_(layers),
      experts_(experts),
      top_k_(top_k),
      counts_(layers),
      stamps_(std::size_t{layers} * experts),
      last_(std::size_t{layers} * top_k),
      most_remembered_(
          std::clamp<std::size_t>((std::size_t{64} << 20) / (last_.size() * 2), 1, 65'536)) {}

// The token before has just been stamped, so it is asked by stamp; the later one is stamped anew.
void RepeatCounter::compare_neighbours(const ExpertId* before, const ExpertId* now) {
  const std::uint32_t serial = serial_ + 1;
  std::uint32_t* stamps = stamps_.data();
  for (std::uint32_t l = 0; l < layers_; ++l, before += top_k_, now += top_k_, stamps += experts_) {
    std::uint32_t common = 0, recorded = 0;
    for (std::uint32_t k = 0; k < top_k_; ++k) {
      if (now[k] >= experts_) continue;
      common += stamps[now[k]] == serial_;
      stamps[now[k]] = serial;
      ++recorded;
    }
    const bool same = now[0] == before[0] && now[0] != kMissingExpert;
    Layer& layer = counts_[l];
    layer.common += common;
    layer.recorded += recorded;
    layer.any += common > 0;
    layer.first += same;
    layer.pairs += recorded > 0;
  }
  serial_ = serial;
}

void RepeatCounter::compare(const ExpertId* before, const ExpertId* now) {
  for (std::uint32_t l = 0; l < layers_; ++l, before += top_k_, now += top_k_) {
    std::uint32_t common = 0, recorded = 0;
    for (std::uint32_t k = 0; k < top_k_; ++k) {
      if (now[k] == kMissingExpert) continue;
      ++recorded;
      common += std::find(before, before + top_k_, now[k]) != before + top_k_;
    }
    Layer& layer = counts_[l];
    layer.common += common;
    layer.recorded += recorded;
    layer.any += common > 0;
    layer.first += now[0] == before[0] && now[0] != kMissingExpert;
    layer.pairs += recorded > 0;
  }
}

void RepeatCounter::remember(std::uint32_t request, std::uint32_t position, const ExpertId* ids) {
  if (remembered_.empty()) {
    remembered_.resize(most_remembered_);
    remembered_ids_.resize(most_remembered_ * last_.size());
  }
  const std::size_t place = request % most_remembered_;
  remembered_[place] = {request, position, true};
  std::copy_n(ids, last_.size(), remembered_ids_.data() + place * last_.size());
}

void RepeatCounter::add(std::span<const ExpertId> ids, std::span<const std::uint32_t> requests,
                        std::span<const std::uint32_t> positions) {
  const std::size_t row = last_.size(), tokens = ids.size() / row;
  const ExpertId* before = last_.data();
  for (std::size_t t = 0; t < tokens; ++t) {
    const ExpertId* now = ids.data() + t * row;
    const std::uint32_t request = requests.empty() ? 0 : requests[t];
    const std::uint32_t position = positions.empty() ? 0 : positions[t];
    const bool same_request = has_last_ && request == last_request_;
    if (same_request && (positions.empty() || position == last_position_ + 1)) {
      compare_neighbours(before, now);
      ++pairs_;
    } else {
      if (has_last_ && !positions.empty() && !same_request) {
        remember(last_request_, last_position_, before);
        const Remembered& found = remembered_[request % most_remembered_];
        if (found.used && found.request == request && position == found.position + 1) {
          compare(remembered_ids_.data() + request % most_remembered_ * row, now);
          ++pairs_;
        }
      }
      serial_ += 2;  // no stamp is of the token before
      for (std::uint32_t l = 0; l < layers_; ++l) {
        for (std::uint32_t k = 0; k < top_k_; ++k) {
          const ExpertId id = now[l * top_k_ + k];
          if (id < experts_) stamps_[std::size_t{l} * experts_ + id] = serial_;
        }
      }
    }
    if (serial_ > 0xFFFFFFF0) {  // before the numbers run out: all stamps old but this token's
      for (std::uint32_t& stamp : stamps_) stamp = stamp == serial_ ? 2 : 0;
      serial_ = 2;
    }
    has_last_ = true;
    last_request_ = request;
    last_position_ = position;
    before = now;
  }
  if (tokens > 0) std::copy_n(before, row, last_.data());
}

double RepeatCounter::rate(std::size_t layer) const {
  return share(counts_[layer].common, counts_[layer].recorded);
}
double RepeatCounter::any(std::size_t layer) const {
  return share(counts_[layer].any, counts_[layer].pairs);
}
double RepeatCounter::first(std::size_t layer) const {
  return share(counts_[layer].first, counts_[layer].pairs);
}

}  // namespace moesim::workloads
