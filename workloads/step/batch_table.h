// Values by what a dp rank has. A step asks for hundreds of them, one look-up after another, so
// that finding one is a matter of memory: a place in a table, where the batch's hash says or the
// next one that is right, and then the entry, which holds batch and value.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "workloads/step/batch.h"

namespace moesim::workloads {

template <class Value>
class BatchTable {
 public:
  // Beyond so many batches all are forgotten.
  explicit BatchTable(std::size_t most) : most_(most) {}

  // That of the batch, `make()` where it is not known. Valid until the next call.
  template <class Make>
  const Value& of(const RankBatch& batch, Make make) {
    const std::uint64_t hash = hash_of(batch);
    for (std::size_t at = hash & mask_; places_[at].entry != 0; at = (at + 1) & mask_) {
      const Place& place = places_[at];
      if (place.hash != static_cast<std::uint32_t>(hash >> 32)) continue;
      if (const Entry& entry = entries_[place.entry - 1]; entry.is_of(batch)) return entry.value;
    }
    Entry made{batch, make()};
    if (entries_.size() >= most_) {
      entries_.clear();
      places_.assign(places_.size(), {});
    }
    entries_.push_back(std::move(made));
    if (2 * entries_.size() > places_.size()) {
      grow();
    } else {
      put(hash, entries_.size());
    }
    return entries_.back().value;
  }

 private:
  // The one part that most ranks have lies in it.
  struct Entry {
    Entry(const RankBatch& batch, Value&& v)
        : hash(hash_of(batch)),
          parts(batch.size()),
          first(batch.empty() ? BatchShape() : batch.front()),
          others(batch.begin() + (batch.empty() ? 0 : 1), batch.end()),
          value(std::move(v)) {}
    bool is_of(const RankBatch& batch) const {
      return batch.size() == parts && (parts == 0 || batch.front() == first) &&
             (parts <= 1 || std::equal(others.begin(), others.end(), batch.begin() + 1));
    }
    std::uint64_t hash;
    std::size_t parts;
    BatchShape first;
    RankBatch others;
    Value value;
  };
  struct Place {
    std::uint32_t hash = 0;   // its upper half
    std::uint32_t entry = 0;  // from 1; 0: free
  };

  void put(std::uint64_t hash, std::size_t entry) {
    std::size_t at = hash & mask_;
    while (places_[at].entry != 0) at = (at + 1) & mask_;
    places_[at] = {static_cast<std::uint32_t>(hash >> 32), static_cast<std::uint32_t>(entry)};
  }
  void grow() {
    places_.assign(2 * places_.size(), {});
    mask_ = places_.size() - 1;
    for (std::size_t i = 0; i < entries_.size(); ++i) put(entries_[i].hash, i + 1);
  }

  std::size_t most_;
  std::vector<Entry> entries_;
  std::vector<Place> places_{64};  // a power of two, at most half of it taken
  std::size_t mask_ = 63;
};

}  // namespace moesim::workloads
