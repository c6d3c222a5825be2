#include "workloads/routing/trace/missing.h"

#include <fmt/format.h>

#include "sim/error.h"

namespace moesim::workloads {
namespace {

constexpr const char* kWhatWouldDo =
    "record them, say routing.missing: drop if the router dropped them, or draw tokens from the "
    "loads (moesim trace export --to counts, then import --from counts)";

}  // namespace

std::string missing_share(const TakenSelections& taken) {
  return fmt::format("{} of {} selections ({:.3g} %)", taken.missing, taken.all,
                     100 * static_cast<double>(taken.missing) / static_cast<double>(taken.all));
}

std::optional<std::string> note_of_missing(const TakenSelections& taken,
                                           const std::filesystem::path& trace,
                                           const TraceMapping& mapping) {
  if (taken.missing == 0) return {};
  const std::string share = missing_share(taken);
  if (mapping.missing == MissingMapping::Drop) {
    return fmt::format("{} are missing in the trace, as dropped by the router: they cost nothing",
                       share);
  }
  if (static_cast<double>(taken.missing) > kMostMissing * static_cast<double>(taken.all)) {
    throw sim::InputError(
        fmt::format("{}: /expert_ids: {} that the steps take are missing, and their experts would "
                    "cost nothing; at most {:g} % may be: {}",
                    trace.string(), share, 100 * kMostMissing, kWhatWouldDo));
  }
  return fmt::format(
      "{} are missing in the trace: their experts are not computed, nor their tokens sent; {}",
      share, kWhatWouldDo);
}

}  // namespace moesim::workloads
