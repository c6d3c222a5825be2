// The cache of one dp rank: blocks of so many tokens, and which of them hold what.
//
// A block whose content is known has a name, the hash of all tokens up to its end. A named block
// that nobody uses keeps its content and counts as free: blocks are reused longest idle first, and
// those of one sequence last first, so that the tails of prompts go before their heads.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/unordered_set.hpp>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "workloads/serving/requests/request.h"

namespace moesim::workloads::serving {

using BlockName = std::uint64_t;  // 0: none

// The names of the full blocks of the first `tokens` tokens of a request; empty where its prompt
// shares nothing.
std::vector<BlockName> block_names(const std::vector<Span>& prompt, std::int64_t tokens,
                                   std::int64_t block);

// A block that has a name; or, with none, a run of idle ones that hold nothing worth finding.
using CacheLink = boost::intrusive::link_mode<boost::intrusive::normal_link>;
struct CacheBlock : boost::intrusive::list_base_hook<CacheLink>,
                    boost::intrusive::unordered_set_base_hook<CacheLink> {
  BlockName name = 0;
  std::int64_t users = 0;  // of a named one; idle without
  std::int64_t count = 1;  // blocks in a run
};

// What one sequence holds, in the order of its tokens.
struct HeldBlocks {
  std::int64_t count = 0;
  std::vector<CacheBlock*> named = {};  // the first ones that may be shared; null: this one's own
};

class BlockPool {
 public:
  // REQUIRES: both positive
  BlockPool(std::int64_t blocks, std::int64_t tokens);
  BlockPool(BlockPool&&) noexcept = default;

  std::int64_t blocks() const { return blocks_; }
  std::int64_t block_tokens() const { return tokens_; }
  std::int64_t free() const { return free_; }
  std::int64_t used() const { return blocks_ - free_; }
  std::int64_t for_tokens(std::int64_t tokens) const { return (tokens + tokens_ - 1) / tokens_; }

  // How many of the first of these are here, and how many of those nobody uses.
  struct Hit {
    std::int64_t blocks = 0, idle = 0;
  };
  Hit find(std::span<const BlockName> names) const;

  // Uses these, which find() has found. REQUIRES: nothing is held
  void share(HeldBlocks& held, std::span<const BlockName> names);
  // REQUIRES: free() >= count
  void take(HeldBlocks& held, std::int64_t count);
  // The first blocks are full, and have these names from now on, unless others have them already.
  void name(HeldBlocks& held, std::span<const BlockName> names);
  // Gives all back.
  void release(HeldBlocks& held);

  // The sum of users over all named blocks; for tests.
  std::int64_t users() const;

 private:
  struct Hash {
    std::size_t operator()(BlockName name) const { return name; }  // a hash already
    std::size_t operator()(const CacheBlock& block) const { return block.name; }
  };
  struct Same {
    bool operator()(BlockName a, const CacheBlock& b) const { return a == b.name; }
    bool operator()(const CacheBlock& a, const CacheBlock& b) const { return a.name == b.name; }
  };
  using Index = boost::intrusive::unordered_set<CacheBlock, boost::intrusive::hash<Hash>,
                                                boost::intrusive::equal<Same>,
                                                boost::intrusive::power_2_buckets<true>>;

  CacheBlock& new_block();
  void drop(CacheBlock& block);
  void widen_index();
  void append_unnamed(std::int64_t count);

  std::int64_t blocks_, tokens_, free_ = 0;
  std::deque<CacheBlock> memory_;
  std::vector<CacheBlock*> spare_;  // of it
  std::vector<Index::bucket_type> buckets_;
  Index index_;                              // of those with names
  boost::intrusive::list<CacheBlock> idle_;  // longest idle first
};

}  // namespace moesim::workloads::serving
