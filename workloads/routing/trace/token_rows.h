// Which rows of a trace the tokens of a step are.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "workloads/routing/trace/trace.h"
#include "workloads/routing/trace/trace_source.h"

namespace moesim::workloads {

// Whether a token of that number in /token/phase is of the phase. REQUIRES: phase is not Own
inline bool is_of(TokenPhase phase, std::uint32_t stored) {
  return phase == TokenPhase::Any || stored == (phase == TokenPhase::Prefill ? 0u : 1u);
}

// Consecutive tokens of one request (or, where the trace names no requests, 256 tokens), of one
// phase where one is asked for.
struct RequestRun {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::uint32_t domain = 0;
};

// The runs of a trace in file order; reads the request column once, a slab at a time.
std::vector<RequestRun> request_runs(const RoutingTrace& trace, TokenPhase phase = TokenPhase::Any);
// Whether the rows are told by runs.
bool needs_runs(const TraceMapping& mapping);

class TokenRows {
 public:
  // Throws ConfigError where the mix names a domain that the trace lacks.
  TokenRows(const RoutingTrace& trace, const TraceMapping& mapping, std::uint32_t tokens_per_step,
            std::uint64_t seed);
  // The same where the runs are known.
  TokenRows(const TraceInfo& info, std::vector<RequestRun> runs, const TraceMapping& mapping,
            std::uint32_t tokens_per_step, std::uint64_t seed);

  // The row of each token of a step, [tokens_per_step].
  void of_step(std::uint32_t step, std::vector<std::uint64_t>& rows) const;

  // The n-th request of those drawn with replacement. REQUIRES: tokens are resampled
  const RequestRun& drawn_run(std::uint64_t n) const;

 private:
  const RequestRun& drawn(std::uint64_t bits) const;
  void recorded(std::uint64_t first, std::vector<std::uint64_t>& rows) const;

  std::uint64_t tokens_;  // that steps may take
  TraceMapping mapping_;
  std::uint32_t tokens_per_step_;
  std::uint64_t key_;
  std::vector<RequestRun> runs_;
  std::vector<std::uint64_t> run_end_;  // of one phase: tokens to the end of each run
  // With a mix: the runs of each of its domains, and the cumulated shares.
  std::vector<std::vector<std::uint32_t>> runs_of_;
  std::vector<double> share_end_;
};

}  // namespace moesim::workloads
