// How often a token chooses what the token before it in its request chose.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "workloads/routing/routing.h"

namespace moesim::workloads {

// Takes tokens in file order. Two tokens are consecutive where they are of one request and the
// later one's position is the earlier one's plus 1; without positions, where they are neighbours of
// one request; without requests, where they are neighbours. Where requests are interleaved, the
// last token of up to 65,536 of them is remembered (fewer where tokens are large), so pairs further
// apart are missed, not miscounted.
class RepeatCounter {
 public:
  RepeatCounter(std::uint32_t layers, std::uint32_t experts, std::uint32_t top_k);

  // `requests` and `positions` may be empty (in all calls alike).
  void add(std::span<const ExpertId> ids, std::span<const std::uint32_t> requests,
           std::span<const std::uint32_t> positions);

  std::uint64_t pairs() const { return pairs_; }
  // Of a layer. Zero where no pair was seen.
  double rate(std::size_t layer) const;   // experts of the later token that the earlier one has
  double any(std::size_t layer) const;    // pairs with a common expert
  double first(std::size_t layer) const;  // pairs with the same first choice

 private:
  struct Layer {
    std::uint64_t common = 0, recorded = 0, any = 0, first = 0, pairs = 0;
  };
  void compare(const ExpertId* before, const ExpertId* now);
  void compare_neighbours(const ExpertId* before, const ExpertId* now);
  void remember(std::uint32_t request, std::uint32_t position, const ExpertId* ids);

  std::uint32_t layers_, experts_, top_k_;
  std::vector<Layer> counts_;
  std::uint64_t pairs_ = 0;
  std::uint32_t serial_ = 0;           // of the token that stamps_ holds
  std::vector<std::uint32_t> stamps_;  // [layers x experts]: the last token that chose it
  bool has_last_ = false;
  std::uint32_t last_request_ = 0, last_position_ = 0;
  std::vector<ExpertId> last_;  // of the token before
  struct Remembered {
    std::uint32_t request = 0, position = 0;
    bool used = false;
  };
  std::size_t most_remembered_;
  std::vector<Remembered> remembered_;  // by request mod their number; made when first needed
  std::vector<ExpertId> remembered_ids_;
};

}  // namespace moesim::workloads
