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

BlockPool::BlockPool(std::int64_t blocks, std::int64_t tokens) : blocks_(blocks), tokens_(tokens) {
  SIM_CHECK(blocks > 0 && tokens > 0, "a pool of no blocks");
  append_unnamed(blocks);
}

BlockPool::Hit BlockPool::find(std::span<const BlockName> names) const {
  Hit hit;
  for (const BlockName name : names) {
    const auto found = named_.find(name);
    if (found == named_.end()) break;
    ++hit.blocks;
    if (found->second.users == 0) ++hit.idle;
  }
  return hit;
}

void BlockPool::share(HeldBlocks& held, std::span<const BlockName> names) {
  SIM_CHECK(held.count == 0, "a sequence that holds blocks looks its prefix up");
  for (const BlockName name : names) {
    Named& block = named_.at(name);
    if (block.users++ == 0) {
      idle_.erase(block.idle);
      --free_;
    }
  }
  held.names.assign(names.begin(), names.end());
  held.count = static_cast<std::int64_t>(names.size());
}

void BlockPool::take(HeldBlocks& held, std::int64_t count) {
  SIM_CHECK(count >= 0 && count <= free_, "more blocks are taken than are free");
  held.count += count;
  free_ -= count;
  while (count > 0) {
    Idle& first = idle_.front();
    const std::int64_t part = std::min(count, first.count);
    if (first.name != 0) named_.erase(first.name);
    count -= part;
    first.count -= part;
    if (first.count == 0) idle_.pop_front();
  }
}

void BlockPool::name(HeldBlocks& held, std::span<const BlockName> names) {
  SIM_CHECK(static_cast<std::int64_t>(names.size()) <= held.count, "a block that is not held");
  for (std::size_t i = held.names.size(); i < names.size(); ++i) {
    const bool mine = named_.try_emplace(names[i], Named{.users = 1}).second;
    held.names.push_back(mine ? names[i] : 0);
  }
}

void BlockPool::release(HeldBlocks& held) {
  append_unnamed(held.count - static_cast<std::int64_t>(held.names.size()));
  for (std::size_t i = held.names.size(); i-- > 0;) {
    if (held.names[i] == 0) {
      append_unnamed(1);
      continue;
    }
    Named& block = named_.at(held.names[i]);
    if (--block.users > 0) continue;
    block.idle = idle_.insert(idle_.end(), {.name = held.names[i]});
    ++free_;
  }
  held = {};
}

std::int64_t BlockPool::users() const {
  std::int64_t sum = 0;
  for (const auto& [name, block] : named_) sum += block.users;
  return sum;
}

void BlockPool::append_unnamed(std::int64_t count) {
  if (count == 0) return;
  if (!idle_.empty() && idle_.back().name == 0) {
    idle_.back().count += count;
  } else {
    idle_.push_back({.name = 0, .count = count});
  }
  free_ += count;
}

}  // namespace moesim::workloads::serving
