#include "sim/event_queue.h"

#include <algorithm>

namespace moesim::sim {

namespace {
constexpr std::uint64_t kNoSlot = ~std::uint64_t{0};
constexpr std::size_t kPrefetch = 256;
}  // namespace

EventQueue::EventQueue() : free_(kNoSlot) {}

EventQueue::~EventQueue() {
  for (const auto& block : blocks_) {
    for (std::size_t i = 0; i < kBlock; ++i) {
      Slot& slot = block[i];
      // A live slot has a sequence number in its key; a free one only the next free slot's index.
      if (slot.key != kNoSlot && (slot.key >> kSlotBits) != 0) slot.call(slot, Do::Drop);
    }
  }
}

void EventQueue::grow_slots() {
  const std::size_t first = blocks_.size() * kBlock;
  SIM_CHECK(first + kBlock <= (std::size_t{1} << kSlotBits), "over 16 million events are pending");
  blocks_.push_back(std::make_unique<Slot[]>(kBlock));
  Slot* block = blocks_.back().get();
  for (std::size_t i = 0; i + 1 < kBlock; ++i) block[i].key = first + i + 1;
  block[kBlock - 1].key = kNoSlot;
  free_ = first;
}

// Nearly always few entries lie behind the new one: it is late, or the front is short.
void EventQueue::insert_front(Entry entry) {
  std::size_t at = front_.size();
  while (at > head_ && front_[at - 1].time > entry.time) --at;
  front_.insert(front_.begin() + static_cast<std::ptrdiff_t>(at), entry);
  if (front_.size() - head_ > kFrontMost) shrink_front();
}

// Moves the later half of the front back to buckets, unless it is all of one time.
void EventQueue::shrink_front() {
  const std::size_t middle = head_ + (front_.size() - head_) / 2;
  const std::uint64_t horizon = front_[middle].time;
  if (horizon == front_[head_].time) return;
  // Every entry in a bucket differs from the old base in a higher digit than any in the front does,
  // so that the front's first time can be the base as well.
  base_ = front_[head_].time;
  horizon_ = horizon;
  std::size_t first = middle;
  while (front_[first - 1].time == horizon) --first;
  for (std::size_t i = first; i < front_.size(); ++i) insert_bucket(front_[i]);
  front_.resize(first);
}

// The front is empty: fills it with the first bucket, split until it is small.
// Entries of one time are always in one bucket, in the order scheduled, and are moved in order.
void EventQueue::refill() {
  front_.clear();
  head_ = 0;
  for (;;) {
    SIM_CHECK(levels_ != 0, "no event is pending");
    const auto level = static_cast<unsigned>(__builtin_ctz(levels_));
    const auto digit = static_cast<unsigned>(__builtin_ctzll(occupied_[level]));
    std::vector<Entry>& bucket = buckets_[level][digit];
    occupied_[level] &= occupied_[level] - 1;
    if (occupied_[level] == 0) levels_ &= levels_ - 1;
    const unsigned shift = level * kDigitBits;
    if (level == 0 || bucket.size() <= kFrontSort) {
      front_.swap(bucket);
      const std::uint64_t above =
          shift + kDigitBits >= 64 ? 0 : base_ >> (shift + kDigitBits) << (shift + kDigitBits);
      base_ = above | (std::uint64_t{digit} << shift);
      horizon_ = base_ + (std::uint64_t{1} << shift);
      if (level != 0) {
        std::sort(front_.begin(), front_.end(), [](const Entry& a, const Entry& b) {
          return a.time != b.time ? a.time < b.time : a.key < b.key;
        });
      }
      for (const Entry& entry : front_) __builtin_prefetch(&slot_of(entry.key), 1);
      return;
    }
    // The least time of the bucket as the base: what is alone near it sinks to the lowest level at
    // once. It differs from all other buckets' entries in the same digit as the old base did.
    std::uint64_t least = bucket.front().time;
    for (const Entry& entry : bucket) least = std::min(least, entry.time);
    base_ = least;
    scratch_.swap(bucket);
    if (scratch_.size() <= kPrefetch) {  // these are next, and their slots lie anywhere
      for (const Entry& entry : scratch_) __builtin_prefetch(&slot_of(entry.key), 1);
    }
    for (const Entry& entry : scratch_) insert_bucket(entry);
    scratch_.clear();
    if (scratch_.capacity() > 4096) std::vector<Entry>().swap(scratch_);
  }
}

void EventQueue::drop_cancelled() {
  for (;;) {
    if (head_ == front_.size()) refill();
    const Entry& entry = front_[head_];
    if (slot_of(entry.key).key == entry.key) return;
    ++head_;
    --cancelled_;
  }
}

Time EventQueue::next_time() {
  SIM_CHECK(pending_ > 0, "no event is pending");
  drop_cancelled();
  return Time(Duration(static_cast<std::int64_t>(front_[head_].time)));
}

void EventQueue::run_next() {
  SIM_CHECK(pending_ > 0, "no event is pending");
  drop_cancelled();
  const std::uint64_t key = front_[head_++].key;
  Slot& slot = slot_of(key);
  const std::uint64_t index = key & ((std::uint64_t{1} << kSlotBits) - 1);
  slot.key = index;  // no longer pending, not yet free: it matches no id
  --pending_;
  struct Free {
    EventQueue& queue;
    Slot& slot;
    std::uint64_t index;
    ~Free() { queue.free_slot(slot, index); }
  } free{*this, slot, index};
  slot.call(slot, Do::Run);
}

bool EventQueue::cancel(Id id) {
  const std::uint64_t index = id.key & ((std::uint64_t{1} << kSlotBits) - 1);
  if ((id.key >> kSlotBits) == 0 || index >= blocks_.size() * kBlock) return false;
  Slot& slot = slot_of(index);
  if (slot.key != id.key) return false;
  slot.key = index;
  --pending_;
  ++cancelled_;
  slot.call(slot, Do::Drop);
  free_slot(slot, index);
  if (cancelled_ > 1024 && cancelled_ > 2 * pending_) purge();
  return true;
}

// Takes the entries of cancelled events out, so that they cannot fill the memory.
void EventQueue::purge() {
  const auto gone = [this](const Entry& entry) { return slot_of(entry.key).key != entry.key; };
  front_.erase(front_.begin(), front_.begin() + static_cast<std::ptrdiff_t>(head_));
  head_ = 0;
  std::erase_if(front_, gone);
  for (unsigned level = 0; level < kLevels; ++level) {
    for (unsigned digit = 0; digit < kDigits; ++digit) {
      std::vector<Entry>& bucket = buckets_[level][digit];
      std::erase_if(bucket, gone);
      if (bucket.empty()) occupied_[level] &= ~(std::uint64_t{1} << digit);
    }
    if (occupied_[level] == 0) levels_ &= ~(1u << level);
  }
  cancelled_ = 0;
}

}  // namespace moesim::sim
