#include <algorithm>

#include "tests/fuzz/target.h"
#include "workloads/routing/trace/trace.h"

namespace moesim::fuzz {
namespace {

using workloads::RoutingTrace;
using workloads::TokenColumn;
using workloads::TraceInfo;

constexpr std::uint64_t kMostValues = std::uint64_t{1} << 20;

void read_tokens(const RoutingTrace& trace, std::uint64_t first, std::uint64_t count) {
  const TraceInfo& info = trace.info();
  std::vector<workloads::ExpertId> ids;
  trace.read_ids(first, count, ids);
  std::vector<float> values;
  if (info.has_weights) trace.read_weights(first, count, values);
  if (info.has_gate_scores &&
      count * info.layers <= kMostValues / std::max<std::uint64_t>(info.experts, 1)) {
    trace.read_gate_scores(first, count, values);
  }
  std::vector<std::uint32_t> column;
  for (const TokenColumn which :
       {TokenColumn::Request, TokenColumn::Position, TokenColumn::Phase, TokenColumn::Domain}) {
    trace.read_column(which, first, count, column);
  }
}

void read_trace(const RoutingTrace& trace) {
  const TraceInfo& info = trace.info();
  trace.step_offsets();
  trace.step_domains();
  if (info.has_gate_bias) trace.gate_bias();
  if (!info.per_token) {
    std::vector<std::uint32_t> counts;
    for (std::uint64_t step = 0; step < std::min<std::uint64_t>(info.steps, 3); ++step) {
      trace.read_counts(step, counts);
    }
    return;
  }
  const std::uint64_t of_a_token = std::uint64_t{info.layers} * info.top_k;
  if (of_a_token > kMostValues) return;
  const std::uint64_t count = std::min(
      {trace.chunk_tokens(), info.tokens, kMostValues / std::max<std::uint64_t>(of_a_token, 1)});
  read_tokens(trace, 0, count);
  read_tokens(trace, info.tokens - count, count);
}

}  // namespace

void trace(Input input) {
  const InputFile file(input);
  taken([&] { read_trace(RoutingTrace::open(file.path())); }, file.path().string());
}

}  // namespace moesim::fuzz
