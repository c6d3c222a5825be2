#include "validation/serving/option_pairs.h"

#include <fmt/format.h>

#include <map>

namespace moesim::validation {

OptionPairs option_pairs(const std::vector<E2ePrediction>& predictions, Beside beside) {
  constexpr double kDiffer = 1.05;
  std::map<std::string, std::map<std::string, const E2ePrediction*>> loads;
  for (const E2ePrediction& p : predictions) {
    if (!p.failed.empty() || !p.row.load) continue;
    std::string question = fmt::format("{} {} {}", p.row.model, p.row.system, p.row.load->name);
    if (beside == Beside::OneEngine) question += fmt::format(" {} {}", p.row.engine, p.row.version);
    loads[question].try_emplace(p.row.deployment() + p.row.load->options, &p);
  }
  Questions throughput, tpot, ttft;
  for (const auto& [question, options] : loads) {
    for (const auto& [name, p] : options) {
      const auto add = [&, &of = question](Questions& to, double measured, double predicted) {
        if (measured > 0 && predicted > 0) to[of].push_back({measured, predicted});
      };
      const auto inverse = [](double ms) { return ms > 0 ? 1 / ms : 0; };
      add(throughput, p->row.throughput, p->throughput);
      add(tpot, inverse(p->row.tpot_ms), inverse(p->tpot_ms));
      add(ttft, inverse(p->row.ttft_ms), inverse(p->ttft_ms));
    }
  }
  return {pairs_of(throughput, kDiffer), pairs_of(tpot, kDiffer), pairs_of(ttft, kDiffer)};
}

}  // namespace moesim::validation
