#include "workloads/routing/trace/token_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/error.h"
#include "sim/random.h"
#include "workloads/routing/counter_random.h"

namespace moesim::workloads {
namespace {

constexpr std::uint64_t kRunWithoutRequests = 256;
constexpr std::uint64_t kSlab = 1 << 16;

}  // namespace

bool needs_runs(const TraceMapping& mapping) {
  return mapping.order != TokenOrder::Recorded || mapping.tokens == TokenMapping::Resample ||
         mapping.phase != TokenPhase::Any;
}

std::vector<RequestRun> request_runs(const RoutingTrace& trace, TokenPhase phase) {
  std::vector<RequestRun> runs;
  std::vector<std::uint32_t> requests, domains, phases;
  std::uint32_t last = 0;
  bool skipped = false;
  for (std::uint64_t first = 0; first < trace.info().tokens; first += kSlab) {
    const std::uint64_t count = std::min(kSlab, trace.info().tokens - first);
    const bool named = trace.read_column(TokenColumn::Request, first, count, requests);
    trace.read_column(TokenColumn::Domain, first, count, domains);
    if (phase != TokenPhase::Any) trace.read_column(TokenColumn::Phase, first, count, phases);
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!phases.empty() && !is_of(phase, phases[i])) {
        skipped = true;
        continue;
      }
      const bool next = runs.empty() || skipped ||
                        (named ? requests[i] != last : runs.back().count == kRunWithoutRequests);
      skipped = false;
      if (next) runs.push_back({first + i, 0, domains.empty() ? 0 : domains[i]});
      ++runs.back().count;
      if (named) last = requests[i];
    }
  }
  return runs;
}

TokenRows::TokenRows(const RoutingTrace& trace, const TraceMapping& mapping,
                     std::uint32_t tokens_per_step, std::uint64_t seed)
    : TokenRows(
          trace.info(),
          needs_runs(mapping) ? request_runs(trace, mapping.phase) : std::vector<RequestRun>(),
          mapping, tokens_per_step, seed) {}

TokenRows::TokenRows(const TraceInfo& info, std::vector<RequestRun> runs_of_trace,
                     const TraceMapping& mapping, std::uint32_t tokens_per_step, std::uint64_t seed)
    : tokens_(info.tokens),
      mapping_(mapping),
      tokens_per_step_(tokens_per_step),
      key_(sim::Random(seed, "routing/trace").bits()),
      runs_(std::move(runs_of_trace)) {
  if (mapping.phase != TokenPhase::Any) {
    tokens_ = 0;
    for (const RequestRun& run : runs_) run_end_.push_back(tokens_ += run.count);
  }
  double sum = 0;
  for (const auto& [name, share] : mapping.mix) {
    const auto& domains = info.domains;
    const auto found = std::find(domains.begin(), domains.end(), name);
    std::vector<std::uint32_t> runs;
    for (std::uint32_t r = 0; r < runs_.size() && found != domains.end(); ++r) {
      if (runs_[r].domain == static_cast<std::uint32_t>(found - domains.begin())) runs.push_back(r);
    }
    if (!info.has_domains || runs.empty()) {
      throw sim::ConfigError(fmt::format(
          "routing.mix: {} has no tokens of the domain \"{}\"; it has {}", info.file, name,
          domains.empty() ? "none" : fmt::format("{}", fmt::join(domains, ", "))));
    }
    sum += share;
    share_end_.push_back(sum);
    runs_of_.push_back(std::move(runs));
  }
  for (double& end : share_end_) end /= sum;
}

const RequestRun& TokenRows::drawn(std::uint64_t bits) const {
  const auto low = static_cast<std::uint32_t>(bits);
  if (runs_of_.empty()) return runs_[scaled(low, static_cast<std::uint32_t>(runs_.size()))];
  const double u = static_cast<double>(bits >> 32) * 0x1p-32;
  std::size_t d = 0;
  while (d + 1 < share_end_.size() && share_end_[d] <= u) ++d;
  return runs_[runs_of_[d][scaled(low, static_cast<std::uint32_t>(runs_of_[d].size()))]];
}

const RequestRun& TokenRows::drawn_run(std::uint64_t n) const {
  return drawn(counter_bits(key_, n));
}

// In the file's order, from the first-th token that steps may take.
void TokenRows::recorded(std::uint64_t first, std::vector<std::uint64_t>& rows) const {
  if (run_end_.empty()) {
    for (std::uint32_t i = 0; i < tokens_per_step_; ++i) {
      rows.push_back(first);
      if (++first == tokens_) first = 0;
    }
    return;
  }
  auto run = static_cast<std::size_t>(std::ranges::upper_bound(run_end_, first) - run_end_.begin());
  std::uint64_t within = first - (run_end_[run] - runs_[run].count);
  for (std::uint32_t i = 0; i < tokens_per_step_; ++i) {
    rows.push_back(runs_[run].first + within);
    if (++within < runs_[run].count) continue;
    within = 0;
    if (++run == runs_.size()) run = 0;
  }
}

void TokenRows::of_step(std::uint32_t step, std::vector<std::uint64_t>& rows) const {
  rows.clear();
  if (mapping_.order == TokenOrder::OnePerRequest) {
    // Place i of the batch starts somewhere in its request and goes on by a token a step; a request
    // that is through begins again. Places that share a request are spread over it.
    const std::uint64_t places = runs_.size();
    for (std::uint64_t i = 0; i < tokens_per_step_; ++i) {
      const std::uint64_t bits = counter_bits(key_, i);
      const bool resample = mapping_.tokens == TokenMapping::Resample;
      const RequestRun& run = resample ? drawn(bits) : runs_[i % places];
      const std::uint64_t turns = (tokens_per_step_ + places - 1) / places;
      const std::uint64_t start = counter_bits(key_ ^ 0x7374617274, resample ? i : i % places);
      const std::uint64_t spread = resample ? 0 : i / places * run.count / turns;
      rows.push_back(run.first + (start % run.count + spread + step) % run.count);
    }
    return;
  }
  if (mapping_.tokens != TokenMapping::Resample)
    return recorded(std::uint64_t{step} * tokens_per_step_ % tokens_, rows);
  const std::uint64_t key = counter_bits(key_, step);
  for (std::uint64_t draw = 0; rows.size() < tokens_per_step_; ++draw) {
    const RequestRun& run = drawn(counter_bits(key, draw));
    // The first one is entered anywhere, as the last one is left anywhere: a step that is shorter
    // than its requests would see their beginnings alone.
    const std::uint64_t skipped = draw == 0 ? counter_bits(key ^ 0x656E746572, 0) % run.count : 0;
    for (std::uint64_t i = skipped; i < run.count && rows.size() < tokens_per_step_; ++i) {
      rows.push_back(run.first + i);
    }
  }
}

}  // namespace moesim::workloads
