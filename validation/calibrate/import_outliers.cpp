#include "validation/calibrate/import_outliers.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace moesim::validation {
namespace {

constexpr std::size_t kBeside = 3;
constexpr int kMostOutliers = 20;  // more of them are no curve

// A row in the logarithm.
struct Point {
  const TimedSize* row;
  double size, time;
};

// What the sizes beside a row say against it.
struct Against {
  std::size_t of = 0, contradicted = 0;
  double off = 0;   // from all of them, in the logarithm
  double slow = 0;  // as much of it as says that the row is too slow, less what says too fast

  bool outlier() const { return of <= 2 ? contradicted > 0 : 2 * contradicted > of; }
  // Of two rows that contradict one another alone the slow one is the odd one.
  bool worse_than(const Against& other) const {
    return std::tie(contradicted, off, slow) > std::tie(other.contradicted, other.off, other.slow);
  }
};

// Above zero where the larger size takes more than in proportion, below where it takes less than
// the smaller one.
double too_slow(const Point& smaller, const Point& larger) {
  const double time = larger.time - smaller.time;
  return std::min(time, std::max(0.0, time - (larger.size - smaller.size)));
}

// REQUIRES: points sorted by size
Against against(const std::vector<Point>& points, std::size_t at) {
  const double twice = std::log(2);
  Against all;
  const std::size_t end = std::min(at + kBeside + 1, points.size());
  for (std::size_t i = at - std::min(at, kBeside); i < end; ++i) {
    if (i == at) continue;
    const double slow = i < at ? too_slow(points[i], points[at]) : -too_slow(points[at], points[i]);
    ++all.of;
    all.contradicted += std::abs(slow) > twice ? 1 : 0;
    all.off += std::abs(slow);
    all.slow += slow;
  }
  return all;
}

std::string beside(const std::vector<Point>& points, std::size_t at) {
  std::string text;
  const auto add = [&](const TimedSize& row) {
    text += fmt::format("{}{} for {:.0f}", text.empty() ? "" : " and ", row.said, row.bytes);
  };
  if (at > 0) add(*points[at - 1].row);
  if (at + 1 < points.size()) add(*points[at + 1].row);
  return text;
}

}  // namespace

void point_at_outliers(const std::vector<TimedSize>& rows, ImportNotes notes) {
  if (notes == nullptr) return;
  std::vector<Point> points;
  for (const TimedSize& row : rows) points.push_back({&row, std::log(row.bytes), std::log(row.us)});
  std::ranges::stable_sort(points, {}, &Point::size);
  for (int found = 0; found < kMostOutliers; ++found) {
    std::optional<std::size_t> worst;
    Against most;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const Against here = against(points, i);
      if (here.outlier() && (!worst || here.worse_than(most))) worst = i, most = here;
    }
    if (!worst) return;
    const TimedSize& row = *points[*worst].row;
    note_once(notes, fmt::format("{}: an outlier? {} for {:.0f} bytes, but {}", row.where, row.said,
                                 row.bytes, beside(points, *worst)));
    points.erase(points.begin() + static_cast<std::ptrdiff_t>(*worst));
  }
}

}  // namespace moesim::validation
