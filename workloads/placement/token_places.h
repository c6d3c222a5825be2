// Tokens of a source that go to each place: a rank, or a node. A token counts once for a place,
// however many of its choices go there.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace moesim::workloads {

// How often each of 64 bits was set. A bit of plane p weighs 2^p.
class BitCounts {
 public:
  void add(std::uint64_t bits) {
    for (std::uint64_t& plane : planes_) {
      const std::uint64_t carry = plane & bits;
      plane ^= bits;
      bits = carry;
    }
    if (++added_ == kMost) empty_planes();
  }
  // Of each bit; forgets them.
  std::array<std::uint32_t, 64> take();

 private:
  static constexpr unsigned kPlanes = 6, kMost = (1u << kPlanes) - 1;
  void empty_planes();

  std::array<std::uint64_t, kPlanes> planes_{};
  unsigned added_ = 0;
  std::array<std::uint32_t, 64> counts_{};
};

// Up to 256 places are bits of a token, or-ed together; of more, each remembers the last token that
// it was counted for.
class TokenPlaces {
 public:
  // `rank_of_number`: of each number that a choice may be, below which all that mean anything lie.
  // `node_of_rank`: empty where there is one node.
  TokenPlaces(std::span<const std::uint32_t> rank_of_number,
              std::span<const std::uint16_t> node_of_rank, std::uint32_t ranks,
              std::uint32_t nodes);

  // Whole tokens of `top_k` choices.
  template <class Number>
  void add(const Number* begin, const Number* end, std::size_t top_k) {
    if (words_ == 0) return add_marked(begin, end, top_k);
    for (std::size_t w = 0; w < words_; ++w) {
      const std::uint64_t* bits = &bits_[w * entries_];
      BitCounts& counts = counts_[w];
      switch (top_k) {  // the compiler unrolls what is usual
        case 2:
          add_bits<2>(begin, end, 2, bits, counts);
          break;
        case 8:
          add_bits<8>(begin, end, 8, bits, counts);
          break;
        default:
          add_bits<0>(begin, end, top_k, bits, counts);
      }
    }
  }
  // Tokens of each rank and of each node since the last time.
  void take(std::span<std::uint32_t> ranks, std::span<std::uint32_t> nodes);

 private:
  static constexpr std::size_t kMostWords = 4;

  // Where a number is found in tables of entries_, the last of which is for those without meaning.
  template <class Number>
  std::size_t entry(Number number) const {
    if constexpr (sizeof(Number) == 1) return number;
    return std::min<std::size_t>(number, entries_ - 1);
  }

  template <std::size_t kTopK, class Number>
  void add_bits(const Number* token, const Number* end, std::size_t top_k,
                const std::uint64_t* bits_of, BitCounts& into) const {
    BitCounts counts = into;  // in registers
    for (; token != end; token += top_k) {
      std::uint64_t bits = 0;
      for (std::size_t i = 0; i < (kTopK == 0 ? top_k : kTopK); ++i)
        bits |= bits_of[entry(token[i])];
      counts.add(bits);
    }
    into = counts;
  }

  template <class Number>
  void add_marked(const Number* token, const Number* end, std::size_t top_k) {
    for (; token != end; token += top_k) {
      ++token_;
      for (std::size_t i = 0; i < top_k; ++i) {
        const std::size_t number = entry(token[i]);
        if (number >= rank_of_.size()) continue;
        const std::uint32_t rank = rank_of_[number], node = node_of_[number];
        marked_[rank] += last_[rank] != token_;
        last_[rank] = token_;
        marked_[node] += last_[node] != token_;
        last_[node] = token_;
      }
    }
  }

  std::uint32_t ranks_;
  std::size_t entries_;  // of a table by number
  std::size_t words_;    // of bits; 0: too many places
  std::vector<std::uint64_t>
      bits_;  // [words x entries]: the places of a number, ranks before nodes
  std::vector<BitCounts> counts_;
  std::vector<std::uint32_t> rank_of_, node_of_;  // by number: the places, where words_ is 0
  std::vector<std::uint32_t> marked_;             // tokens of each place
  std::vector<std::uint32_t> last_;               // the token that each was counted for
  std::uint32_t token_ = 0;
};

}  // namespace moesim::workloads
