#include "workloads/routing/importers/said_shape.h"

#include <fmt/format.h>

#include <numeric>
#include <vector>

#include "sim/error.h"

namespace moesim::workloads {
namespace {

// Percent of the first layer's selections that another has at most: the first, too, may lack some,
// as routers drop tokens, but not as many as a trace may lack altogether (routing.missing).
constexpr std::uint64_t kMostOverFirst = 105;

void check(const std::string& name, std::uint64_t found, const char* what, const char* option,
           std::uint32_t said) {
  if (said == 0 || said == found) return;
  throw sim::InputError(
      fmt::format("{}: has {} {}, but --{} says {}", name, found, what, option, said));
}

}  // namespace

void check_said_layers(const std::string& name, std::uint64_t found, const ImportOptions& options) {
  check(name, found, "layers", "layers", options.layers);
}

void check_said_experts(const std::string& name, std::uint64_t found,
                        const ImportOptions& options) {
  check(name, found, "experts", "experts", options.experts);
}

void check_said_top_k(const std::string& name, std::uint64_t found, const ImportOptions& options) {
  check(name, found, "choices a token", "top-k", options.top_k);
}

void check_named_layers(const std::string& name, std::span<const std::int64_t> layers,
                        const ImportOptions& options) {
  if (!layers.empty() && layers.back() + 1 == std::int64_t{options.layers}) return;
  check_said_layers(name, layers.size(), options);
}

void add_tokens(std::span<const std::uint32_t> counts, const TraceHeader& header,
                const std::string& step, ImportSummary& summary) {
  std::uint64_t first = 0, most = 0;
  for (std::size_t l = 0; l < header.layers; ++l) {
    const auto row = counts.subspan(l * header.experts, header.experts);
    const auto sum = std::accumulate(row.begin(), row.end(), std::uint64_t{0});
    if (l == 0) {
      first = sum;
      most = (sum + header.top_k - 1) / header.top_k * header.top_k * kMostOverFirst / 100;
    }
    if (sum > most) {
      const auto number = [&](std::size_t layer) {
        return header.layer_ids.empty() ? static_cast<std::int64_t>(layer)
                                        : header.layer_ids[layer];
      };
      throw sim::InputError(fmt::format(
          "{}: layer {} has {} selections, but layer {} has {}, of {} tokens: a layer has no more "
          "than {} of each (--top-k)",
          step, number(l), sum, number(0), first, first / header.top_k, header.top_k));
    }
    summary.uneven += sum != first ? 1 : 0;
  }
  summary.tokens += first / header.top_k;
}

void check_tokens(const ImportSummary& summary, const Files& files) {
  if (summary.tokens > 0) return;
  std::vector<std::string> names;
  for (const auto& file : files) names.push_back(file.string());
  throw sim::InputError(fmt::format("{}: no tokens with routing in it", fmt::join(names, ", ")));
}

}  // namespace moesim::workloads
