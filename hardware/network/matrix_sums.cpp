#include "hardware/network/matrix_sums.h"

#include <utility>

namespace moesim::hardware {

namespace {

using Count = std::uint32_t;
using Sum = std::uint64_t;

struct Rows {
  std::size_t n;
  std::vector<Sum>& by_row;
  std::vector<Sum>& by_column;

  // Of a row, the columns [begin, end), all of one way.
  void add(std::size_t row, const Count* counts, std::size_t begin, std::size_t end,
           Ports::Way way) {
    Sum* const columns = by_column.data() + way * n;
    Sum all = 0;
    for (std::size_t c = begin; c < end; ++c) {
      columns[c] += counts[c];
      all += counts[c];
    }
    by_row[way * n + row] += all;
  }

  // Each by its own way.
  void add(std::size_t row, const Count* counts, std::size_t begin, std::size_t end,
           const Ports::Way* ways, std::size_t most) {
    if (most <= 4) {  // a pass for each way, without branches
      for (std::size_t way = 1; way <= most; ++way) {
        Sum* const columns = by_column.data() + way * n;
        Sum all = 0;
        for (std::size_t c = begin; c < end; ++c) {
          const Count count = counts[c] & -Count{ways[c] == way};
          columns[c] += count;
          all += count;
        }
        by_row[way * n + row] += all;
      }
      return;
    }
    for (std::size_t c = begin; c < end; ++c) {
      by_column[ways[c] * n + c] += counts[c];
      by_row[ways[c] * n + row] += counts[c];
    }
  }
};

}  // namespace

MatrixSums sums_of(const sim::Messages& messages, const Ports& ports) {
  const std::size_t n = ports.size(), ways = ports.ways().size();
  MatrixSums sums{std::vector<Sum>(n * ways), std::vector<Sum>(n * ways)};
  Rows rows{n, sums.sent, sums.received};
  for (std::size_t r = 0; r < n; ++r) {
    const Count* const counts = messages.counts->data() + r * n;
    const std::size_t first = ports.first_near(r), last = ports.last_near(r);
    rows.add(r, counts, first, r, Ports::kNear);
    rows.add(r, counts, r + 1, last, Ports::kNear);
    if (ways == 2) {
      rows.add(r, counts, 0, first, 1);
      rows.add(r, counts, last, n, 1);
    } else if (ways > 2) {
      const Ports::Way* const way = messages.back ? ports.to(r) : ports.from(r);
      rows.add(r, counts, 0, first, way, ways - 1);
      rows.add(r, counts, last, n, way, ways - 1);
    }
  }
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
