// A trace of another length or mix of domains: whole requests, drawn with replacement.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "workloads/routing/trace/trace.h"

namespace moesim::workloads {

struct ResampleSpec {
  std::uint64_t tokens = 0;
  std::vector<std::pair<std::string, double>> mix =
      {};  // shares of domains; empty: as in the trace
  std::uint64_t seed = 1;
};

// Writes `tokens` tokens; the last request is cut. Returns the requests drawn. Throws ConfigError
// for the count form and for a domain that the trace lacks, InputError.
std::uint64_t resample(const RoutingTrace& trace, const ResampleSpec& spec,
                       const std::filesystem::path& out);

}  // namespace moesim::workloads
