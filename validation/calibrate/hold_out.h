// Hold-outs of whole groups of a task's items (shapes, models, node counts): what is unseen, and
// the errors and intervals that come of it.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "hardware/device.h"
#include "validation/calibrate/task.h"
#include "validation/statistics.h"

namespace moesim::validation {

// Fewer groups than this hold nothing out: what is left of two is one, and no fit of one tells
// what another would miss by. Below the second number finer groups are taken where there are any:
// of four models each is far from the rest, and a hold-out says more of them than of the fit.
inline constexpr std::size_t kLeastGroups = 3, kManyGroups = 5;

// Each with items on both sides: by the items' groups, or by their finer ones where those are too
// few, or none at all. Groups in ascending order take turns; a small task affords more folds than
// `folds`, up to twelve.
struct Fold {
  std::vector<std::size_t> in, out;
};
std::vector<Fold> folds_of(const Task& task, std::span<const std::size_t> items, int folds);

// A held-out item, ln(measured / predicted).
struct HeldOut {
  std::size_t item = 0;
  double ln_ratio = 0;
};

// Of the task's counted inputs (group sizes), those that its items have: each is held out whole,
// which is what a size that no table has will meet. `alone`: the only one, too, with nothing on the
// other side: a prior answers for it. Empty for a task that counts nothing.
struct CountedFolds {
  std::string axis;
  std::size_t values = 0;
  std::vector<Fold> folds;
};
CountedFolds counted_folds(const Task& task, std::span<const std::size_t> items, bool alone);

// Whether the task counts something of which its measured items have one or two values: too few to
// tell how it grows, which a prior has to say.
bool has_few_sizes(const Task& task);

double median_error(std::span<const HeldOut> held);
double mean_loss(std::span<const HeldOut> held);
ErrorSummary summary_of(std::span<const HeldOut> held);

// Finite-sample conformal quantiles on both sides: what covers 90 % of the points, and 80 %.
hardware::Interval interval_of(const std::vector<double>& ln_ratios);
// As far on either side: what another size misses by may be of the other sign.
hardware::Interval both_sides(std::span<const HeldOut> held);
// Of all under "", and of each regime that has forty items or more.
std::map<std::string, hardware::Interval> intervals_of(const Task& task,
                                                       std::span<const HeldOut> held);
// The wider of both on either side, regime by regime. What `of` alone has stays; a regime that it
// has not is taken over.
void widen(std::map<std::string, hardware::Interval>& of,
           const std::map<std::string, hardware::Interval>& by);

}  // namespace moesim::validation
