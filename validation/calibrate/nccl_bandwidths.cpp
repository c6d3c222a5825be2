// What nccl-tests computes a bus's bandwidth by, and whether a run's columns agree with it.
#include <algorithm>
#include <limits>

#include "validation/calibrate/nccl_runs.h"

namespace moesim::validation {
namespace {

constexpr std::array kTests{"all_reduce", "all_gather", "reduce_scatter", "alltoall",
                            "broadcast",  "reduce",     "sendrecv"};

// busbw/algbw (nccl-tests' PERFORMANCE.md).
double factor_of(std::string_view operation, int ranks) {
  const double others = static_cast<double>(ranks - 1) / ranks;
  if (operation == "all_reduce") return 2 * others;
  return std::ranges::find(kNcclOperations, operation) != kNcclOperations.end() ? others : 1;
}

// What busbw/algbw can be, by the digits that a row prints: the smaller the coarser.
struct Ratio {
  static constexpr double kAny = std::numeric_limits<double>::infinity();
  double value = 0, least = 0, most = kAny;

  bool has(double factor) const { return factor >= 0.999 * least && factor <= 1.001 * most; }
  double width() const { return least > 0 ? most / least : kAny; }
};

Ratio ratio_of(const NcclRow& row) {
  Ratio ratio;
  if (!row.algbw || !row.busbw || row.algbw->value <= row.algbw->half) return ratio;
  const Rounded &alg = *row.algbw, &bus = *row.busbw;
  return {bus.value / alg.value, (bus.value - bus.half) / (alg.value + alg.half),
          (bus.value + bus.half) / (alg.value - alg.half)};
}

// Of what the ratio would be: operations of as many ranks, else the same of others.
std::string fitting(const Ratio& ratio, const std::string& operation, int ranks) {
  constexpr int kMost = 64;  // beyond, the digits do not tell one number from the next
  std::vector<std::string> names;
  for (const char* test : kTests) {
    if (ratio.has(factor_of(test, ranks))) names.emplace_back(test);
  }
  if (!names.empty()) return fmt::format("{} of {} ranks", fmt::join(names, " or "), ranks);
  for (int other = 2; other <= kMost; ++other) {
    if (ratio.has(factor_of(operation, other)))
      return fmt::format("{} of {} ranks", operation, other);
  }
  return "no operation";
}

}  // namespace

void check_bus_bandwidths(NcclRun& run, const std::string& operation, int ranks, bool given,
                          ImportNotes notes) {
  constexpr double kTells = 1.05;  // digits that tell 8 ranks from 16
  const double factor = factor_of(operation, ranks);
  std::vector<NcclRow> good, bad;
  std::size_t agree = 0;
  for (NcclRow& row : run.rows) {
    const Ratio ratio = ratio_of(row);
    agree += ratio.has(factor) && ratio.width() < kTells ? 1 : 0;
    (ratio.has(factor) ? good : bad).push_back(std::move(row));
  }
  if (bad.size() > agree) {
    const NcclRow& sharpest = *std::ranges::min_element(
        bad, {}, [](const NcclRow& row) { return ratio_of(row).width(); });
    const Ratio ratio = ratio_of(sharpest);
    const std::string what =
        fmt::format("{}: busbw/algbw is {:.4g}, which {} has; {} of {} has {:.4g}", sharpest.where,
                    ratio.value, fitting(ratio, operation, ranks), operation, ranks, factor);
    if (given) throw sim::ConfigError(what);
    throw sim::InputError(what);
  }
  for (const NcclRow& row : bad) {
    note_once(notes, fmt::format("{}: left out: busbw/algbw is {:.4g}, but {} of {} has {:.4g}",
                                 row.where, ratio_of(row).value, operation, ranks, factor));
  }
  run.rows = std::move(good);
}

}  // namespace moesim::validation
