#include "workloads/placement/counted_blocks.h"

#include <algorithm>
#include <span>

#include "sim/any_width.h"

namespace moesim::workloads {
namespace {

// Of a layer: a second-level cache holds it.
constexpr std::size_t kMostBytes = std::size_t{1} << 19;
constexpr std::size_t kLeastBlock = 16, kMostBlock = 1024;
// A step that takes fewer tables' worth of tokens counts them one by one: blocks that are read once
// come from memory, and are wider than the choices that they stand for (DeepSeek-V3's 16,384 tokens
// that decode on 128 ranks, of a table of 8,192: a step in 9.5 ms with blocks, 8.2 without).
constexpr std::uint64_t kTables = 4;
constexpr std::size_t kMostDifference = 0xFFFF;  // that 16 bits tell

MOESIM_ANY_WIDTH
void add_difference(const std::uint16_t* __restrict before, const std::uint16_t* __restrict after,
                    std::size_t count, std::uint32_t* __restrict sum) {
  for (std::size_t i = 0; i < count; ++i)
    sum[i] += static_cast<std::uint16_t>(after[i] - before[i]);
}

}  // namespace

void CountedBlocks::count(const RoutingView& routing, const TokenSources& sources,
                          const DispatchWanted& wanted, DispatchCounts& out) {
  make_room(placement_, sources, wanted, out);
  if (!counter_) {
    counter_.emplace(counter_of(routing, placement_, sources, wanted));
    ranks_at_ = counter_->numbers() + std::size_t{1};
    nodes_at_ = ranks_at_ + (out.tokens.empty() ? 0 : out.ranks);
    width_ = nodes_at_ + (out.node_tokens.empty() ? 0 : out.nodes);
  }
  if (!has_blocks(routing)) return count_dispatch(routing, placement_, sources, *counter_, out);
  with_ids(routing, [&](const auto& ids) { count_runs(ids, sources, out); });
}

bool CountedBlocks::has_blocks(const RoutingView& routing) {
  if (routing.kept == 0 || routing.rows == nullptr || placement_.has_replicas() ||
      routing.tokens < kTables * routing.kept)
    return false;
  if (block_ > 0) return true;
  std::size_t block = kLeastBlock;
  while ((routing.kept / block + 1) * width_ * sizeof(std::uint16_t) > kMostBytes) block *= 2;
  if (block > kMostBlock || block * routing.top_k > kMostDifference) return false;
  block_ = block;
  with_ids(routing, [&](const auto& ids) { count_table(ids, routing.kept); });
  return true;
}

template <class Id>
void CountedBlocks::count_table(const TokenIds<Id>& ids, std::uint32_t rows) {
  const std::size_t blocks = rows / block_;
  before_.assign((blocks + 1) * width_, 0);
  sum_.assign(width_, 0);
  std::vector<std::uint32_t> one(width_);
  const std::span<std::uint32_t> counts(one);
  for (std::size_t b = 0; b < blocks; ++b) {
    counter_->add(ids.ids + b * block_ * ids.top_k, ids.ids + (b + 1) * block_ * ids.top_k);
    counter_->take(counts.first(ranks_at_), counts.subspan(ranks_at_, nodes_at_ - ranks_at_),
                   counts.subspan(nodes_at_));
    for (std::size_t i = 0; i < width_; ++i)
      before_[(b + 1) * width_ + i] = static_cast<std::uint16_t>(sum_[i] += one[i]);
  }
}

template <class Id>
void CountedBlocks::count_runs(const TokenIds<Id>& ids, const TokenSources& sources,
                               DispatchCounts& out) {
  for (std::uint32_t source = 0; source < sources.ranks(); ++source) {
    std::fill(sum_.begin(), sum_.end(), 0);
    const std::uint32_t end = sources.begin[source + 1];
    for (std::uint32_t t = sources.begin[source], n = 1; t < end; t += n) {
      for (n = 1; t + n < end && ids.rows[t + n] == ids.rows[t] + n;) ++n;
      add_rows(ids, ids.rows[t], std::size_t{ids.rows[t]} + n);
    }
    const std::span<const std::uint32_t> sums(sum_);
    counter_->add_counts(sums.first(ranks_at_));
    counter_->close(source, out);
    for (std::size_t i = ranks_at_; i < nodes_at_; ++i)
      out.tokens[std::size_t{source} * out.ranks + (i - ranks_at_)] += sum_[i];
    for (std::size_t i = nodes_at_; i < width_; ++i)
      out.node_tokens[std::size_t{source} * out.nodes + (i - nodes_at_)] += sum_[i];
  }
}

// Rows up to the first block and from the last one on by themselves.
template <class Id>
void CountedBlocks::add_rows(const TokenIds<Id>& ids, std::size_t first, std::size_t end) {
  const auto add = [&](std::size_t from, std::size_t to) {
    if (from < to) counter_->add(ids.ids + from * ids.top_k, ids.ids + to * ids.top_k);
  };
  const std::size_t from = (first + block_ - 1) / block_, to = end / block_;
  if (from >= to) return add(first, end);
  add(first, from * block_);
  add(to * block_, end);
  const std::size_t most = kMostDifference / (block_ * ids.top_k);  // blocks
  for (std::size_t b = from; b < to; b += most) {
    add_difference(&before_[b * width_], &before_[std::min(to, b + most) * width_], width_,
                   sum_.data());
  }
}

}  // namespace moesim::workloads
