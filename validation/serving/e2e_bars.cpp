#include "validation/serving/e2e_bars.h"

namespace moesim::validation {
namespace {

double percent_off(double predicted, double measured) {
  return 100 * (predicted / measured - 1);
}

// Nothing where one of the two times was not measured.
std::optional<double> loop_rate(const E2eRow& row, double ttft_ms, double tpot_ms) {
  const auto further = static_cast<double>(row.osl - 1);
  if (!(ttft_ms > 0) || (further > 0 && !(tpot_ms > 0))) return {};
  return 1e3 * static_cast<double>(row.concurrency * row.osl) / (ttft_ms + further * tpot_ms);
}

}  // namespace

std::optional<Generation> generation_of(const E2eRow& row) {
  const auto begins = [&](const char* with) { return row.system.starts_with(with); };
  if (begins("h") || begins("gh")) return Generation::Hopper;
  if (begins("b") || begins("gb")) return Generation::Blackwell;
  return {};
}

std::array<GenerationErrors, 2> by_generation(const std::vector<E2ePrediction>& predictions) {
  std::array<std::vector<double>, 2> all;
  std::array<std::map<std::string, std::vector<double>>, 2> engines;
  for (const E2ePrediction& p : predictions) {
    const auto generation = generation_of(p.row);
    if (!p.failed.empty() || !(p.row.tpot_ms > 0) || !generation) continue;
    const auto g = static_cast<std::size_t>(*generation);
    all[g].push_back(percent_off(p.tpot_ms, p.row.tpot_ms));
    engines[g][p.row.engine].push_back(all[g].back());
  }
  std::array<GenerationErrors, 2> found{GenerationErrors{.bar = kHopperBar},
                                        GenerationErrors{.bar = kBlackwellBar}};
  for (std::size_t g = 0; g < found.size(); ++g) {
    found[g].all = error_over(all[g]);
    for (const auto& [engine, errors] : engines[g]) found[g].by_engine[engine] = error_over(errors);
  }
  return found;
}

CacheBound where_cache_binds(const std::vector<E2ePrediction>& predictions) {
  std::vector<double> rates, firsts;
  for (const E2ePrediction& p : predictions) {
    if (!p.failed.empty() || !(p.demand > 1)) continue;
    if (p.row.ttft_ms > 0) firsts.push_back(percent_off(p.ttft_ms, p.row.ttft_ms));
    if (p.row.throughput > 0) {
      rates.push_back(percent_off(p.throughput, p.row.throughput));
    } else if (const auto measured = loop_rate(p.row, p.row.ttft_ms, p.row.tpot_ms)) {
      if (const auto predicted = loop_rate(p.row, p.ttft_ms, p.tpot_ms))
        rates.push_back(percent_off(*predicted, *measured));
    }
  }
  return {.throughput = error_over(rates), .ttft = error_over(firsts)};
}

}  // namespace moesim::validation
