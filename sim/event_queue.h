// Pending events, earliest first.
//
// Ordering: by time; at equal times in the order they were scheduled (FIFO). This order is part of
// the contract: results may depend on it, nothing else may change it.
//
// A monotone radix queue: time is an integer and never goes back. Events near the front lie sorted
// in one small array; the rest lie in buckets by the highest digit (base 64) in which their time
// differs from a base that only grows, so that an event moves a few times in its life, whatever the
// number of events. Actions lie in slots of one cache line that never move.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "sim/check.h"
#include "sim/units.h"

namespace moesim::sim {

class EventQueue {
 public:
  // Names one scheduled event. Stays valid, and harmless, after the event has fired.
  struct Id {
    std::uint64_t key = 0;  // 0: no event
  };

  EventQueue();
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;
  // Drops the actions that have not run.
  ~EventQueue();

  // Nothing is allocated for an action of up to 40 bytes, but what the queue needs to grow.
  // REQUIRES: time is not before that of the last event that ran
  template <class Action>
  Id push(Time time, Action&& action);

  // Returns whether the event was still pending. Its action is dropped at once.
  bool cancel(Id id);

  bool empty() const { return pending_ == 0; }
  std::size_t size() const { return pending_; }

  // The time of the earliest event. REQUIRES: !empty()
  Time next_time();

  // Takes the earliest event off and runs its action, which may push and cancel.
  // REQUIRES: !empty()
  void run_next();

 private:
  static constexpr std::size_t kInline = 40;  // bytes of an action that fit the slot
  static constexpr unsigned kSlotBits = 24;   // 16.7 million events pending at once
  static constexpr unsigned kDigitBits = 6;
  static constexpr unsigned kDigits = 1u << kDigitBits;
  static constexpr unsigned kLevels = (64 + kDigitBits - 1) / kDigitBits;
  static constexpr std::size_t kBlock = 4096;    // slots are allocated in blocks
  static constexpr std::size_t kFrontSort = 24;  // a bucket of so few is sorted, not split
  static constexpr std::size_t kFrontMost = 256;

  // What is ordered. key = sequence number << kSlotBits | slot: at equal times the smaller key was
  // scheduled first. An entry whose slot has another key was cancelled.
  struct Entry {
    std::uint64_t time;
    std::uint64_t key;
  };

  enum class Do { Run, Drop };
  struct alignas(64) Slot {
    std::uint64_t key;  // of the event; in a free slot the next free one
    void (*call)(Slot&, Do);
    alignas(8) std::byte storage[kInline];
  };

  template <class Function>
  static void call_inline(Slot& slot, Do what);
  template <class Function>
  static void call_boxed(Slot& slot, Do what);

  Slot& slot_of(std::uint64_t key) {
    const std::size_t index = key & ((std::uint64_t{1} << kSlotBits) - 1);
    return blocks_[index / kBlock][index % kBlock];
  }
  std::uint64_t take_slot();
  void free_slot(Slot& slot, std::uint64_t index);
  void grow_slots();
  void insert(Entry entry);
  void insert_front(Entry entry);
  void insert_bucket(Entry entry);
  void refill();
  void shrink_front();
  void purge();
  void drop_cancelled();

  // Sorted; entries before head_ have gone. All events before horizon_ are here, all others in
  // buckets.
  std::vector<Entry> front_;
  std::size_t head_ = 0;
  std::uint64_t horizon_ = 0;
  std::uint64_t base_ = 0;
  std::array<std::uint64_t, kLevels> occupied_{};  // a bit for each bucket that holds entries
  std::uint32_t levels_ = 0;                       // a bit for each level that has such a bucket
  std::array<std::array<std::vector<Entry>, kDigits>, kLevels> buckets_;
  std::vector<Entry> scratch_;

  std::vector<std::unique_ptr<Slot[]>> blocks_;
  std::uint64_t free_ = 0;  // the first free slot
  std::uint64_t sequence_ = 0;
  std::size_t pending_ = 0;
  std::size_t cancelled_ = 0;  // entries without an event
};

template <class Function>
void EventQueue::call_inline(Slot& slot, Do what) {
  auto* function = std::launder(reinterpret_cast<Function*>(slot.storage));
  struct Destroy {
    Function* function;
    ~Destroy() { function->~Function(); }
  } destroy{function};
  if (what == Do::Run) (*function)();
}

template <class Function>
void EventQueue::call_boxed(Slot& slot, Do what) {
  const std::unique_ptr<Function> function(
      *std::launder(reinterpret_cast<Function**>(slot.storage)));
  if (what == Do::Run) (*function)();
}

template <class Action>
EventQueue::Id EventQueue::push(Time time, Action&& action) {
  using Function = std::decay_t<Action>;
  const std::uint64_t index = take_slot();
  Slot& slot = slot_of(index);
  if constexpr (sizeof(Function) <= kInline && alignof(Function) <= 8) {
    ::new (static_cast<void*>(slot.storage)) Function(std::forward<Action>(action));
    slot.call = &call_inline<Function>;
  } else {
    ::new (static_cast<void*>(slot.storage)) Function*(new Function(std::forward<Action>(action)));
    slot.call = &call_boxed<Function>;
  }
  const std::uint64_t key = (++sequence_ << kSlotBits) | index;
  slot.key = key;
  ++pending_;
  insert({static_cast<std::uint64_t>(time.time_since_epoch().count()), key});
  return Id{key};
}

inline std::uint64_t EventQueue::take_slot() {
  if ((free_ >> kSlotBits) != 0) grow_slots();
  const std::uint64_t index = free_;
  free_ = slot_of(index).key;
  return index;
}

inline void EventQueue::free_slot(Slot& slot, std::uint64_t index) {
  slot.key = free_;
  free_ = index;
}

inline void EventQueue::insert(Entry entry) {
  if (entry.time < horizon_) {
    insert_front(entry);
  } else {
    insert_bucket(entry);
  }
}

inline void EventQueue::insert_bucket(Entry entry) {
  const std::uint64_t difference = (entry.time ^ base_) | 1;
  const auto level = static_cast<unsigned>(63 - __builtin_clzll(difference)) / kDigitBits;
  const auto digit = static_cast<unsigned>(entry.time >> (level * kDigitBits)) & (kDigits - 1);
  buckets_[level][digit].push_back(entry);
  occupied_[level] |= std::uint64_t{1} << digit;
  levels_ |= 1u << level;
}

}  // namespace moesim::sim
