// What nccl-tests computes bandwidths and sizes by, and whether a run's columns agree with it.
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

// Bytes of an element; 0 where the type is not known.
int width_of(std::string_view type) {
  struct Width {
    const char* type;
    int bytes;
  };
  constexpr std::array kWidths{Width{"int8", 1},     Width{"uint8", 1},  Width{"char", 1},
                               Width{"f8e4m3", 1},   Width{"f8e5m2", 1}, Width{"half", 2},
                               Width{"bfloat16", 2}, Width{"int32", 4},  Width{"uint32", 4},
                               Width{"int", 4},      Width{"float", 4},  Width{"int64", 8},
                               Width{"uint64", 8},   Width{"double", 8}};
  const auto known = std::ranges::find(kWidths, type, &Width::type);
  return known == kWidths.end() ? 0 : known->bytes;
}

// algbw is the size over the time, whatever the operation. What it contradicts, but for a tenth and
// rounding; empty where nothing.
std::string against_time(const NcclRow& row) {
  struct Unit {
    const char* word;
    double us;
  };
  if (!row.algbw) return {};
  const auto fits = [&](double us) {
    const double gigabytes = row.bytes / us * 1e-3;
    return gigabytes >= 0.9 * (row.algbw->value - row.algbw->half) &&
           gigabytes <= 1.1 * (row.algbw->value + row.algbw->half);
  };
  if (fits(row.us)) return {};
  std::string what = fmt::format("{:.0f} bytes in {} us are {:.4g} GB/s, but algbw is {}",
                                 row.bytes, row.us, row.bytes / row.us * 1e-3, row.algbw->value);
  for (const Unit& unit : {Unit{"ms", 1e3}, Unit{"s", 1e6}, Unit{"ns", 1e-3}}) {
    if (fits(row.us * unit.us)) return what + fmt::format(", as in {}", unit.word);
  }
  return what;
}

// The count is a rank's, of which all but an all-reduce's size has as many as there are ranks.
std::string against_count(const NcclRow& row, const std::string& operation, int ranks) {
  const int width = width_of(row.type);
  if (!row.count || width == 0) return {};
  const double bytes = *row.count * width;
  if (row.bytes == bytes || (operation != "all_reduce" && row.bytes == bytes * ranks)) return {};
  return fmt::format("{:.0f} elements of {} are {:.0f} bytes, but the size is {:.0f}", *row.count,
                     row.type, bytes, row.bytes);
}

// Leaves out rows that something is against; throws where no more of those that tell have nothing
// against them. The last such row is named: it is the largest, and has most digits.
template <typename Against, typename Tells>
void leave_out(NcclRun& run, ImportNotes notes, Against&& against, Tells&& tells) {
  std::vector<NcclRow> good;
  std::vector<std::pair<std::string, std::string>> bad;
  std::size_t agree = 0;
  for (NcclRow& row : run.rows) {
    if (std::string why = against(row); !why.empty()) {
      bad.emplace_back(row.where, std::move(why));
      continue;
    }
    agree += tells(row) ? 1 : 0;
    good.push_back(std::move(row));
  }
  if (bad.size() > agree)
    throw sim::InputError(fmt::format("{}: {}", bad.back().first, bad.back().second));
  for (const auto& [where, why] : bad)
    note_once(notes, fmt::format("{}: left out: {}", where, why));
  run.rows = std::move(good);
}

}  // namespace

void check_sizes(NcclRun& run, const std::string& operation, int ranks, ImportNotes notes) {
  // A bandwidth of one digit tells little.
  leave_out(run, notes, against_time,
            [](const NcclRow& row) { return row.algbw && row.algbw->value > 2 * row.algbw->half; });
  leave_out(
      run, notes, [&](const NcclRow& row) { return against_count(row, operation, ranks); },
      [](const NcclRow& row) { return row.count && width_of(row.type) > 0; });
}

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
