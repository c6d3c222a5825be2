#include "workloads/routing/statistics/analysis.h"

#include <algorithm>
#include <cmath>

#include "sim/check.h"
#include "workloads/routing/statistics/load_statistics.h"
#include "workloads/routing/statistics/repeat_counter.h"
#include "workloads/routing/statistics/sample_statistics.h"
#include "workloads/routing/statistics/spread.h"

namespace moesim::workloads {
namespace {

constexpr std::uint64_t kSlabValues = std::uint64_t{1} << 22;
constexpr std::size_t kMostDomains = 256;
constexpr std::uint32_t kBatches = 11;  // 1, 2, 4 … 1,024

// Tokens that are read at once: whole chunks as far as they are not large.
std::uint64_t slab_tokens(const RoutingTrace& trace) {
  const std::uint64_t row = std::uint64_t{trace.info().layers} * trace.info().top_k;
  const std::uint64_t most = std::max<std::uint64_t>(kSlabValues / row, 1);
  const std::uint64_t chunk = trace.chunk_tokens();
  return chunk >= most ? most : std::max<std::uint64_t>(most / 4 / chunk, 1) * chunk;
}

void add_ids(std::span<const ExpertId> ids, std::uint32_t top_k, LoadTable& loads,
             std::uint64_t& missing) {
  const std::size_t row = std::size_t{loads.layers} * top_k;
  const std::uint32_t experts = loads.experts;
  for (std::size_t t = 0; t < ids.size(); t += row) {
    const ExpertId* id = ids.data() + t;
    std::uint64_t* counts = loads.counts.data();
    for (std::uint32_t l = 0; l < loads.layers; ++l, counts += experts) {
      for (std::uint32_t k = 0; k < top_k; ++k, ++id) {
        if (*id < experts) {
          ++counts[*id];
        } else {
          ++missing;
        }
      }
    }
  }
}

void analyse_tokens(const RoutingTrace& trace, const AnalysisOptions& options, TraceAnalysis& out) {
  const TraceInfo& info = trace.info();
  out.tokens = info.tokens;
  const std::uint64_t slab = slab_tokens(trace), slabs = (info.tokens + slab - 1) / slab;
  const std::uint64_t wanted = std::clamp<std::uint64_t>(options.sample_tokens / slab, 1, slabs);
  SampleStatistics sample(info, static_cast<std::uint32_t>(wanted));
  RepeatCounter repeats(info.layers, info.experts, info.top_k);
  const bool by_domain =
      info.has_domains && info.domains.size() > 1 && info.domains.size() <= kMostDomains;
  for (std::size_t d = 0; d < info.domains.size() && by_domain; ++d) {
    out.domains.push_back({info.domains[d], 0, 0, LoadTable(info.layers, info.experts)});
  }
  const auto windows =
      static_cast<std::uint32_t>(std::clamp<std::uint64_t>(options.windows, 1, info.tokens));
  for (std::uint32_t w = 0; w < windows; ++w) {
    const std::uint64_t first = info.tokens * w / windows;
    out.windows.push_back({first, info.tokens * (w + 1) / windows - first, 0, 0, 0,
                           LoadTable(info.layers, info.experts)});
  }
  std::vector<ExpertId> ids;
  std::vector<std::uint32_t> requests, positions, domains, phases;
  const std::size_t row = std::size_t{info.layers} * info.top_k;
  std::size_t window = 0;
  std::uint64_t ignored = 0;
  for (std::uint64_t s = 0; s < slabs; ++s) {
    const std::uint64_t first = s * slab, count = std::min(slab, info.tokens - first);
    trace.read_ids(first, count, ids);
    trace.read_column(TokenColumn::Request, first, count, requests);
    trace.read_column(TokenColumn::Position, first, count, positions);
    // What is not used is checked all the same: a trace that this accepts is whole.
    trace.read_column(TokenColumn::Domain, first, count, domains);
    trace.read_column(TokenColumn::Phase, first, count, phases);
    if (!by_domain) domains.clear();
    repeats.add(ids, requests, positions);
    for (std::uint64_t t = 0; t < count;) {  // runs within a window
      while (first + t >= out.windows[window].first + out.windows[window].tokens) ++window;
      const WindowAnalysis& now = out.windows[window];
      const std::uint64_t n = std::min(count - t, now.first + now.tokens - first - t);
      add_ids(std::span(ids).subspan(t * row, n * row), info.top_k, out.windows[window].loads,
              out.missing);
      t += n;
    }
    for (std::uint64_t t = 0; t < count && by_domain;) {  // runs of one domain
      std::uint64_t n = 1;
      while (t + n < count && domains[t + n] == domains[t]) ++n;
      DomainAnalysis& domain = out.domains[domains[t]];
      add_ids(std::span(ids).subspan(t * row, n * row), info.top_k, domain.loads, ignored);
      domain.tokens += n;
      t += n;
    }
    // `wanted` slabs, evenly spread.
    if ((s + 1) * wanted / slabs != s * wanted / slabs) sample.add(ids, requests, domains);
  }
  for (const auto& w : out.windows) out.loads += w.loads;
  out.sampled_tokens = sample.tokens();
  out.repeat_pairs = repeats.pairs();
  for (std::uint32_t l = 0; l < info.layers; ++l) {
    LayerAnalysis& layer = out.layers[l];
    layer.link = sample.link(l);
    layer.pairs = sample.pairs(l, options.pairs);
    if (repeats.pairs() == 0) continue;
    layer.repeat_rate = repeats.rate(l);
    layer.repeat_first = repeats.first(l);
    out.repeat_rate = out.repeat_rate.value_or(0) + repeats.rate(l) / info.layers;
    out.repeat_first = out.repeat_first.value_or(0) + repeats.first(l) / info.layers;
    out.repeat_any = out.repeat_any.value_or(0) + repeats.any(l) / info.layers;
  }
  if (by_domain && info.has_requests) {
    const auto test = sample.domain_test(static_cast<std::uint32_t>(info.domains.size()),
                                         options.shuffles, options.seed);
    out.shuffled_distance = test.shuffled;
    out.domain_p = test.p;
    out.shuffles = test.shuffles;
  }
  if (info.has_requests) out.request_dispersion = sample.request_dispersion();
  for (std::uint32_t b = 0; b < kBatches; ++b) {
    out.coverage.push_back({1u << b, 0, sample.consecutive_coverage(b)});
  }
}

void analyse_counts(const RoutingTrace& trace, const AnalysisOptions& options, TraceAnalysis& out) {
  const TraceInfo& info = trace.info();
  const auto domain_of = trace.step_domains();
  const bool by_domain = !domain_of.empty() && info.domains.size() <= kMostDomains;
  for (std::size_t d = 0; d < info.domains.size() && by_domain; ++d) {
    out.domains.push_back({info.domains[d], 0, 0, LoadTable(info.layers, info.experts)});
  }
  const auto windows =
      static_cast<std::uint32_t>(std::clamp<std::uint64_t>(options.windows, 1, info.steps));
  for (std::uint32_t w = 0; w < windows; ++w) {
    const std::uint64_t first = info.steps * w / windows, end = info.steps * (w + 1) / windows;
    out.windows.push_back({first, 0, 0, 0, 0, LoadTable(info.layers, info.experts)});
    std::vector<std::uint32_t> counts;
    for (std::uint64_t s = first; s < end; ++s) {
      trace.read_counts(s, counts);
      std::uint64_t selections = 0;
      for (std::size_t i = 0; i < counts.size(); ++i) {
        out.windows[w].loads.counts[i] += counts[i];
        if (by_domain) out.domains[domain_of[s]].loads.counts[i] += counts[i];
        if (i < info.experts) selections += counts[i];
      }
      out.windows[w].tokens += selections / info.top_k;
      if (by_domain) out.domains[domain_of[s]].tokens += selections / info.top_k;
    }
    out.loads += out.windows[w].loads;
    out.tokens += out.windows[w].tokens;
  }
  for (std::uint32_t b = 0; b < kBatches; ++b) out.coverage.push_back({1u << b, 0, 0});
}

void finish(TraceAnalysis& out) {
  const TraceInfo& info = out.info;
  for (std::uint32_t l = 0; l < info.layers; ++l) {
    const auto loads = out.loads.layer(l);
    LayerAnalysis& layer = out.layers[l];
    layer.layer_id = info.layer_ids[l];
    const Spread spread = spread_of(loads);
    layer.max_over_mean = spread.max_over_mean;
    layer.normalised_entropy = spread.normalised_entropy;
    layer.dead_experts = static_cast<std::uint32_t>(spread.zeros);
    layer.gini = gini(loads);
    layer.starved_experts = starved_experts(loads);
    // Of the experts of a token, the share that a random other one has: sum of p^2 / top_k, with p
    // the share of tokens that choose an expert.
    double sum = 0;
    for (const std::uint64_t load : loads) sum += static_cast<double>(load);
    for (const std::uint64_t load : loads) {
      const double p = sum == 0 ? 0 : static_cast<double>(load) * info.top_k / sum;
      layer.chance_rate += p * p / info.top_k;
      for (CoveragePoint& point : out.coverage) {
        point.random += (1 - std::pow(1 - std::min(p, 1.0), point.batch)) / info.layers;
      }
    }
    out.chance_rate += layer.chance_rate / info.layers;
  }
  double pairs = 0;
  for (std::size_t a = 0; a < out.domains.size(); ++a) {
    out.domains[a].max_over_mean = mean_max_over_mean(out.domains[a].loads);
    for (std::size_t b = 0; b < a; ++b) {
      if (out.domains[a].tokens == 0 || out.domains[b].tokens == 0) continue;
      out.domain_distance += mean_js_distance(out.domains[a].loads, out.domains[b].loads);
      ++pairs;
    }
  }
  if (pairs > 0) out.domain_distance /= pairs;
  for (std::size_t w = 0; w < out.windows.size(); ++w) {
    WindowAnalysis& window = out.windows[w];
    window.max_over_mean = mean_max_over_mean(window.loads);
    if (w == 0) continue;
    window.from_first = mean_js_distance(out.windows[0].loads, window.loads);
    window.from_previous = mean_js_distance(out.windows[w - 1].loads, window.loads);
  }
}

}  // namespace

LoadTable& LoadTable::operator+=(const LoadTable& other) {
  SIM_CHECK(counts.size() == other.counts.size(), "loads of one model");
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  return *this;
}

double mean_js_distance(const LoadTable& a, const LoadTable& b) {
  double sum = 0;
  for (std::uint32_t l = 0; l < a.layers; ++l) sum += js_distance(a.layer(l), b.layer(l));
  return sum / a.layers;
}

double mean_max_over_mean(const LoadTable& loads) {
  double sum = 0;
  for (std::uint32_t l = 0; l < loads.layers; ++l) sum += spread_of(loads.layer(l)).max_over_mean;
  return sum / loads.layers;
}

TraceAnalysis analyse(const RoutingTrace& trace, const AnalysisOptions& options) {
  TraceAnalysis out;
  out.info = trace.info();
  out.loads = LoadTable(out.info.layers, out.info.experts);
  out.layers.resize(out.info.layers);
  if (out.info.per_token) {
    analyse_tokens(trace, options, out);
  } else {
    analyse_counts(trace, options, out);
  }
  finish(out);
  return out;
}

LoadTable read_loads(const RoutingTrace& trace, std::uint64_t first, std::uint64_t count) {
  const TraceInfo& info = trace.info();
  LoadTable loads(info.layers, info.experts);
  if (!info.per_token) {
    std::vector<std::uint32_t> counts;
    for (std::uint64_t s = first; s < first + count; ++s) {
      trace.read_counts(s, counts);
      for (std::size_t i = 0; i < counts.size(); ++i) loads.counts[i] += counts[i];
    }
    return loads;
  }
  const std::uint64_t slab = slab_tokens(trace);
  std::vector<ExpertId> ids;
  std::uint64_t missing = 0;
  for (std::uint64_t done = 0; done < count;) {
    const std::uint64_t n = std::min(slab - (first + done) % slab, count - done);
    trace.read_ids(first + done, n, ids);
    add_ids(ids, info.top_k, loads, missing);
    done += n;
  }
  return loads;
}

}  // namespace moesim::workloads
