#include "workloads/placement/token_places.h"

namespace moesim::workloads {
namespace {

// Bit i of a byte in byte i.
constexpr std::array<std::uint64_t, 256> kSpread = [] {
  std::array<std::uint64_t, 256> spread{};
  for (std::size_t byte = 0; byte < spread.size(); ++byte) {
    for (unsigned bit = 0; bit < 8; ++bit)
      spread[byte] |= std::uint64_t{byte >> bit & 1} << (8 * bit);
  }
  return spread;
}();

}  // namespace

void BitCounts::empty_planes() {
  for (unsigned byte = 0; byte < 8; ++byte) {
    std::uint64_t sums = 0;  // eight counts of a byte each: at most kMost, which fits
    for (unsigned p = 0; p < kPlanes; ++p) sums += kSpread[planes_[p] >> (8 * byte) & 0xFF] << p;
    for (unsigned bit = 0; bit < 8; ++bit) counts_[8 * byte + bit] += sums >> (8 * bit) & 0xFF;
  }
  planes_ = {};
  added_ = 0;
}

std::array<std::uint32_t, 64> BitCounts::take() {
  empty_planes();
  const auto counts = counts_;
  counts_ = {};
  return counts;
}

TokenPlaces::TokenPlaces(std::span<const std::uint32_t> rank_of_number,
                         std::span<const std::uint16_t> node_of_rank, std::uint32_t ranks,
                         std::uint32_t nodes)
    : ranks_(ranks),
      // One byte indexes it whatever it is.
      entries_(std::max<std::size_t>(rank_of_number.size() + 1, 256)),
      words_((std::size_t{ranks} + nodes + 63) / 64) {
  const auto node_of = [&](std::size_t number) {
    const std::uint32_t rank = rank_of_number[number];
    return ranks + (node_of_rank.empty() ? 0u : node_of_rank[rank]);
  };
  if (words_ > kMostWords) {
    words_ = 0;
    rank_of_.assign(rank_of_number.begin(), rank_of_number.end());
    for (std::size_t n = 0; n < rank_of_number.size(); ++n) node_of_.push_back(node_of(n));
    marked_.resize(std::size_t{ranks} + nodes);
    last_.resize(marked_.size());
    return;
  }
  bits_.resize(words_ * entries_);
  counts_.resize(words_);
  for (std::size_t n = 0; n < rank_of_number.size(); ++n) {
    for (const std::size_t place : {std::size_t{rank_of_number[n]}, std::size_t{node_of(n)}})
      bits_[place / 64 * entries_ + n] |= std::uint64_t{1} << place % 64;
  }
}

void TokenPlaces::take(std::span<std::uint32_t> ranks, std::span<std::uint32_t> nodes) {
  const auto put = [&](std::size_t place, std::uint32_t tokens) {
    if (place < ranks_) {
      ranks[place] = tokens;
    } else if (place - ranks_ < nodes.size()) {
      nodes[place - ranks_] = tokens;
    }
  };
  for (std::size_t w = 0; w < words_; ++w) {
    const auto counts = counts_[w].take();
    for (std::size_t bit = 0; bit < 64; ++bit) put(w * 64 + bit, counts[bit]);
  }
  for (std::size_t place = 0; place < marked_.size(); ++place) put(place, marked_[place]);
  std::fill(marked_.begin(), marked_.end(), 0);
}

}  // namespace moesim::workloads
