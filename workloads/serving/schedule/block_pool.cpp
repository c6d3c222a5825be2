#include "workloads/serving/schedule/block_pool.h"

#include <algorithm>

#include "sim/check.h"
#include "sim/random.h"

namespace moesim::workloads::serving {

std::vector<BlockName> block_names(const std::vector<Span>& prompt, std::int64_t tokens,
                                   std::int64_t block) {
  std::vector<BlockName> names;
  if (prompt.empty()) return names;
  names.reserve(static_cast<std::size_t>(tokens / block));
  BlockName name = 0x6d6f6573696d;
  std::size_t span = 0;
  std::int64_t span_ends = prompt[0].tokens;
  for (std::int64_t begin = 0; begin + block <= tokens; begin += block) {
    // A block is a run of tokens of one text or of several.
    for (std::int64_t at = begin; at < begin + block;) {
      while (span + 1 < prompt.size() && at >= span_ends) span_ends += prompt[++span].tokens;
      const bool last = span + 1 == prompt.size();
      const std::int64_t to = last ? begin + block : std::min(span_ends, begin + block);
      name = sim::mix(sim::mix(name ^ sim::mix(prompt[span].text)) ^
                      static_cast<std::uint64_t>(to - at));
      at = to;
    }
    names.push_back(name == 0 ? 1 : name);
  }
  return names;
}

BlockPool::BlockPool(std::int64_t blocks, std::int64_t tokens)
    : blocks_(blocks),
      tokens_(tokens),
      buckets_(64),
      index_(Index::bucket_traits(buckets_.data(), buckets_.size())) {
  SIM_CHECK(blocks > 0 && tokens > 0, "a pool of no blocks");
  append_unnamed(blocks);
}

BlockPool::Hit BlockPool::find(std::span<const BlockName> names) const {
  Hit hit;
  for (const BlockName name : names) {
    const auto found = index_.find(name, Hash{}, Same{});
    if (found == index_.end()) break;
    ++hit.blocks;
    if (found->users == 0) ++hit.idle;
  }
  return hit;
}

void BlockPool::share(HeldBlocks& held, std::span<const BlockName> names) {
  SIM_CHECK(held.count == 0, "a sequence that holds blocks looks its prefix up");
  for (const BlockName name : names) {
    const auto found = index_.find(name, Hash{}, Same{});
    SIM_CHECK(found != index_.end(), "a block is shared that is not there");
    if (found->users++ == 0) {
      idle_.erase(idle_.iterator_to(*found));
      --free_;
    }
    held.named.push_back(&*found);
  }
  held.count = static_cast<std::int64_t>(names.size());
}

void BlockPool::take(HeldBlocks& held, std::int64_t count) {
  SIM_CHECK(count >= 0 && count <= free_, "more blocks are taken than are free");
  held.count += count;
  free_ -= count;
  while (count > 0) {
    CacheBlock& first = idle_.front();
    const std::int64_t part = std::min(count, first.count);
    count -= part;
    first.count -= part;
    if (first.count > 0) break;
    idle_.pop_front();
    drop(first);
  }
}

void BlockPool::name(HeldBlocks& held, std::span<const BlockName> names) {
  SIM_CHECK(static_cast<std::int64_t>(names.size()) <= held.count, "a block that is not held");
  for (std::size_t i = held.named.size(); i < names.size(); ++i) {
    Index::insert_commit_data place;
    if (!index_.insert_check(names[i], Hash{}, Same{}, place).second) {
      held.named.push_back(nullptr);
      continue;
    }
    CacheBlock& block = new_block();
    block.name = names[i];
    block.users = 1;
    index_.insert_commit(block, place);
    held.named.push_back(&block);
    if (index_.size() > buckets_.size()) widen_index();
  }
}

void BlockPool::release(HeldBlocks& held) {
  append_unnamed(held.count - static_cast<std::int64_t>(held.named.size()));
  for (std::size_t i = held.named.size(); i-- > 0;) {
    CacheBlock* const block = held.named[i];
    if (block == nullptr) {
      append_unnamed(1);
    } else if (--block->users == 0) {
      idle_.push_back(*block);
      ++free_;
    }
  }
  held = {};
}

std::int64_t BlockPool::users() const {
  std::int64_t sum = 0;
  for (const CacheBlock& block : index_) sum += block.users;
  return sum;
}

CacheBlock& BlockPool::new_block() {
  if (spare_.empty()) return memory_.emplace_back();
  CacheBlock& block = *spare_.back();
  spare_.pop_back();
  block.count = 1;
  return block;
}

void BlockPool::drop(CacheBlock& block) {
  if (block.name != 0) index_.erase(index_.iterator_to(block));
  block.name = 0;
  spare_.push_back(&block);
}

void BlockPool::widen_index() {
  std::vector<Index::bucket_type> wider(2 * buckets_.size());
  index_.rehash(Index::bucket_traits(wider.data(), wider.size()));
  buckets_ = std::move(wider);
}

void BlockPool::append_unnamed(std::int64_t count) {
  if (count == 0) return;
  free_ += count;
  if (!idle_.empty() && idle_.back().name == 0) {
    idle_.back().count += count;
    return;
  }
  CacheBlock& run = new_block();
  run.count = count;
  idle_.push_back(run);
}

}  // namespace moesim::workloads::serving
