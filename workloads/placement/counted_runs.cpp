#include "workloads/placement/counted_runs.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "sim/check.h"
#include "workloads/placement/source_counter.h"

namespace moesim::workloads {
namespace {

// Of a layer; a trace that is read once as a whole has less (trace_source.cpp).
constexpr std::size_t kMostBytes = std::size_t{1} << 21;
// Shorter runs are counted as quickly as they are looked up.
constexpr std::uint32_t kLeastTokens = 32;

// To what `source` has there, of as many for each. What is not wanted is empty.
void add(const std::vector<std::uint32_t>& from, std::vector<std::uint32_t>& to,
         std::size_t source = 0) {
  const std::size_t begin = source * from.size();
  for (std::size_t i = 0; i < from.size(); ++i) to[begin + i] += from[i];
}

}  // namespace

RowRuns::RowRuns(const std::uint32_t* rows, const TokenSources& sources) : begin{0} {
  for (std::uint32_t source = 0; source < sources.ranks(); ++source) {
    const std::uint32_t end = sources.begin[source + 1];
    for (std::uint32_t t = sources.begin[source], n = 1; t < end; t += n) {
      for (n = 1; t + n < end && rows[t + n] == rows[t] + n;) ++n;
      runs.push_back({rows[t], n});
    }
    begin.push_back(runs.size());
  }
}

template <class Id>
void CountedRuns::count_runs(const RoutingView& routing, const Id* ids, const RowRuns& runs,
                             const TokenSources& sources, const DispatchWanted& wanted,
                             DispatchCounts& out) {
  const bool once = wanted.tokens || wanted.node_tokens;
  const bool selections = wanted.selections || once;
  const auto cleared = [&](std::size_t of_sources) {
    DispatchCounts counts;
    counts.ranks = placement_.ranks();
    counts.nodes = sources.nodes();
    counts.slots_per_rank = placement_.slots_per_rank();
    counts.rows.assign(placement_.slots(), 0);
    counts.selections.assign(selections ? of_sources * counts.ranks : 0, 0);
    counts.tokens.assign(once ? of_sources * counts.ranks : 0, 0);
    counts.node_tokens.assign(once ? of_sources * counts.nodes : 0, 0);
    return counts;
  };
  out = cleared(sources.ranks());
  DispatchCounts one = cleared(1);
  SourceCounter counter = counter_of(routing, placement_, sources, wanted);
  for (std::uint32_t source = 0; source < sources.ranks(); ++source) {
    const auto take = [&](const DispatchCounts& counts) {
      add(counts.rows, out.rows);
      add(counts.selections, out.selections, source);
      add(counts.tokens, out.tokens, source);
      add(counts.node_tokens, out.node_tokens, source);
      out.missing += counts.missing;
    };
    bool open = false;  // tokens were added since the last time
    const auto close = [&] {
      std::fill(one.rows.begin(), one.rows.end(), 0);
      one.missing = 0;
      counter.close(0, one);
      take(one);
      open = false;
    };
    for (const auto& [row, n] : runs.of(source)) {
      const Id* const first = ids + std::size_t{row} * routing.top_k;
      const Id* const last = first + std::size_t{n} * routing.top_k;
      const std::span<const std::byte> choices = std::as_bytes(std::span(first, last));
      if (n < kLeastTokens) {
        counter.add(first, last);
        open = true;
        continue;
      }
      const std::uint64_t key = std::uint64_t{row} << 32 | n;
      const auto found = known_.find(key);
      if (found != known_.end() && found->second.choices.size() == choices.size() &&
          std::memcmp(found->second.choices.data(), choices.data(), choices.size()) == 0) {
        take(found->second.counts);
        continue;
      }
      if (found != known_.end() || bytes_ + choices.size() > kMostBytes) {
        counter.add(first, last);
        open = true;
        continue;
      }
      if (open) close();
      counter.add(first, last);
      close();
      known_.emplace(key, Run{{choices.begin(), choices.end()}, one});
      bytes_ += choices.size();
    }
    if (open) close();
  }
}

void CountedRuns::count(const RoutingView& routing, const TokenSources& sources,
                        const DispatchWanted& wanted, DispatchCounts& out, const RowRuns* runs) {
  if (routing.rows == nullptr || placement_.has_replicas())
    return count_dispatch(routing, placement_, sources, wanted, out);
  SIM_CHECK(sources.ranks() == placement_.ranks(), "the sources are the placement's ranks");
  SIM_CHECK(routing.tokens == sources.begin.back(), "every token has a source");
  SIM_CHECK(routing.experts == placement_.experts(), "routing and placement are of one model");
  std::optional<RowRuns> made;
  if (runs == nullptr) runs = &made.emplace(routing.rows, sources);
  std::visit([&](const auto* ids) { count_runs(routing, ids, *runs, sources, wanted, out); },
             routing.ids);
}

}  // namespace moesim::workloads
