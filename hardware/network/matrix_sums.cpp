#include "hardware/network/matrix_sums.h"

#include <utility>

#include "hardware/message_sums.h"

namespace moesim::hardware {

namespace {

using Count = std::uint32_t;

template <class Sum>
Sum add_up(const Count* counts, std::size_t begin, std::size_t end) {
  Sum sum = 0;
  for (std::size_t c = begin; c < end; ++c) sum += counts[c];
  return sum;
}

// The rows one after another. Rows of one class have equal ways, so that what goes far is summed by
// columns without looking at the ways, and divided by them once a class; where classes or ways are
// many, each count by its own way.
template <class Sum>
class Rows {
 public:
  Rows(const sim::Messages& messages, const Ports& ports)
      : counts_(messages.counts->data()),
        back_(messages.back),
        ports_(ports),
        n_(ports.size()),
        ways_(ports.ways().size()),
        by_class_(ways_ > 1 && ways_ <= 4 && ports.way_classes() * ways_ <= n_),
        by_row_(ways_ * n_),
        by_column_(ways_ * n_),
        far_(by_class_ ? ports.way_classes() * n_ : 0) {
    if (!by_class_) return;
    masks_.reserve(ports.way_classes() * (ways_ - 2) * n_);
    for (std::size_t i = 0; i < ports.way_classes(); ++i) {
      for (std::size_t way = 1; way + 1 < ways_; ++way) {
        for (std::size_t c = 0; c < n_; ++c) masks_.push_back(ways_of(i)[c] == way ? ~Count{0} : 0);
      }
    }
  }

  MatrixSums sums() {
    for (std::size_t row = 0; row < n_; ++row) {
      const Count* const counts = counts_ + row * n_;
      const std::size_t first = ports_.first_near(row), last = ports_.last_near(row);
      for (std::size_t c = first; c < last; ++c) by_column_[c] += counts[c];
      by_column_[row] -= counts[row];  // what stays at home
      by_row_[row] = add_up<Sum>(counts, first, last) - counts[row];
      if (by_class_) {
        add_far(row, counts, first, last);
      } else if (ways_ > 1) {
        add_by_way(row, counts, 0, first);
        add_by_way(row, counts, last, n_);
      }
    }
    for (std::size_t i = 0; by_class_ && i < ports_.way_classes(); ++i) {
      for (std::size_t c = 0; c < n_; ++c) by_column_[ways_of(i)[c] * n_ + c] += far_[i * n_ + c];
    }
    return {{by_row_.begin(), by_row_.end()}, {by_column_.begin(), by_column_.end()}};
  }

 private:
  const Ports::Way* ways_of(std::size_t i) const {
    return back_ ? ports_.to_class(i) : ports_.from_class(i);
  }

  void add_by_way(std::size_t row, const Count* counts, std::size_t begin, std::size_t end) {
    const Ports::Way* const ways = ways_of(ports_.way_class(row));
    for (std::size_t c = begin; c < end; ++c) {
      by_column_[ways[c] * n_ + c] += counts[c];
      by_row_[ways[c] * n_ + row] += counts[c];
    }
  }

  // What is of no other way is of the last.
  void add_far(std::size_t row, const Count* counts, std::size_t first, std::size_t last) {
    const std::size_t i = ports_.way_class(row);
    Sum* const far = far_.data() + i * n_;
    for (std::size_t c = 0; c < first; ++c) far[c] += counts[c];
    for (std::size_t c = last; c < n_; ++c) far[c] += counts[c];
    Sum rest = add_up<Sum>(counts, 0, first) + add_up<Sum>(counts, last, n_);
    for (std::size_t way = 1; way + 1 < ways_; ++way) {
      const Count* const mask = masks_.data() + (i * (ways_ - 2) + way - 1) * n_;
      Sum sum = 0;
      for (std::size_t c = 0; c < first; ++c) sum += counts[c] & mask[c];
      for (std::size_t c = last; c < n_; ++c) sum += counts[c] & mask[c];
      by_row_[way * n_ + row] = sum;
      rest -= sum;
    }
    by_row_[(ways_ - 1) * n_ + row] = rest;
  }

  const Count* counts_;
  bool back_;
  const Ports& ports_;
  std::size_t n_, ways_;
  bool by_class_;
  std::vector<Sum> by_row_, by_column_;  // [way x place]
  std::vector<Sum> far_;                 // [class x column]
  std::vector<Count> masks_;  // [class x way x column] all bits where a column is of the way; of
                              // the ways between the first and the last
};

}  // namespace

MatrixSums sums_of(const sim::Messages& messages, const Ports& ports) {
  MatrixSums sums = with_sums(*messages.counts, ports.size(),
                              [&]<class Sum>(Sum) { return Rows<Sum>(messages, ports).sums(); });
  if (messages.back) std::swap(sums.sent, sums.received);
  return sums;
}

const MatrixSums& RecentSums::of(const sim::Messages& messages, const Ports& ports) {
  for (One& one : recent_) {
    if (one.ports != &ports || one.counts.lock() != messages.counts) continue;
    if (one.back != messages.back) {
      if (!ports.by_structure()) continue;  // the way back may be another
      std::swap(one.sums.sent, one.sums.received);
      one.back = messages.back;
    }
    return one.sums;
  }
  if (recent_.size() < kMost) recent_.emplace_back();
  One& one = recent_[next_++ % kMost];
  one = {messages.counts, &ports, messages.back, sums_of(messages, ports)};
  return one.sums;
}

}  // namespace moesim::hardware
