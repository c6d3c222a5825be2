#include "validation/calibrate/import_outliers.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace moesim::validation {
namespace {

constexpr std::size_t kBeside = 3;
constexpr double kTwice = 2;
constexpr int kMostOutliers = 20;  // more of them are no curve

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

// In the logarithm: above zero where the larger size takes more than in proportion, below where it
// takes less than the smaller one.
double too_slow(const TimedSize& smaller, const TimedSize& larger) {
  const double time = std::log(larger.us / smaller.us);
  return std::min(time, std::max(0.0, time - std::log(larger.bytes / smaller.bytes)));
}

// REQUIRES: rows sorted by size
Against against(const std::vector<TimedSize>& rows, std::size_t at) {
  Against all;
  const std::size_t end = std::min(at + kBeside + 1, rows.size());
  for (std::size_t i = at - std::min(at, kBeside); i < end; ++i) {
    if (i == at) continue;
    const double slow = i < at ? too_slow(rows[i], rows[at]) : -too_slow(rows[at], rows[i]);
    ++all.of;
    all.contradicted += std::abs(slow) > std::log(kTwice) ? 1 : 0;
    all.off += std::abs(slow);
    all.slow += slow;
  }
  return all;
}

std::string beside(const std::vector<TimedSize>& rows, std::size_t at) {
  std::string text;
  const auto add = [&](const TimedSize& row) {
    text += fmt::format("{}{} for {:.0f}", text.empty() ? "" : " and ", row.said, row.bytes);
  };
  if (at > 0) add(rows[at - 1]);
  if (at + 1 < rows.size()) add(rows[at + 1]);
  return text;
}

}  // namespace

void point_at_outliers(std::vector<TimedSize> rows, ImportNotes notes) {
  if (notes == nullptr) return;
  std::ranges::stable_sort(rows, {}, &TimedSize::bytes);
  for (int found = 0; found < kMostOutliers; ++found) {
    std::optional<std::size_t> worst;
    Against most;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Against here = against(rows, i);
      if (here.outlier() && (!worst || here.worse_than(most))) worst = i, most = here;
    }
    if (!worst) return;
    note_once(notes, fmt::format("{}: an outlier? {} for {:.0f} bytes, but {}", rows[*worst].where,
                                 rows[*worst].said, rows[*worst].bytes, beside(rows, *worst)));
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(*worst));
  }
}

}  // namespace moesim::validation
