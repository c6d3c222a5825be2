// What a run says of selections that its trace lacks: a token without its experts is not sent and
// not computed, so that each of them makes the step too short.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "workloads/routing/trace/trace_source.h"

namespace moesim::workloads {

// The experts' time is at most in proportion to their selections, so up to this share it is too
// short by about what their cost models are off by themselves (medians of what was held out,
// ../../../README.md): a result with a note. Beyond it the trace would be the largest error of all.
inline constexpr double kMostMissing = 0.05;

// Of the selections that steps took from a trace; a layer that takes them twice counts them twice.
struct TakenSelections {
  std::int64_t all = 0, missing = 0;
};

// "1 of 128 selections (0.781 %)"
std::string missing_share(const TakenSelections& taken);

// What the report has to say; nothing where none is missing. Throws InputError above kMostMissing,
// but where the mapping says that they were dropped.
std::optional<std::string> note_of_missing(const TakenSelections& taken,
                                           const std::filesystem::path& trace,
                                           const TraceMapping& mapping);

}  // namespace moesim::workloads
