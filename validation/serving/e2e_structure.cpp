#include "validation/serving/e2e_structure.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "workloads/report/structure.h"

namespace moesim::validation {
namespace {

using Rows = std::vector<const E2ePrediction*>;

template <class Key>
std::map<std::string, SetByOthers> held_out(const Rows& rows, E2eTime time, const Key& key) {
  std::map<std::string, SetByOthers> parts;
  for (const E2ePrediction* p : rows) parts[key(*p)];
  for (auto& [name, part] : parts) {
    Rows others;
    for (const E2ePrediction* p : rows)
      if (key(*p) != name) others.push_back(p);
    part.structure = structure_for(others, time);
    for (const E2ePrediction* p : rows) {
      if (key(*p) != name) continue;
      ++part.n;
      if (structure_needed(*p, time) <= part.structure) ++part.inside;
    }
  }
  return parts;
}

}  // namespace

double structure_needed(const E2ePrediction& p, E2eTime time) {
  const bool token = time == E2eTime::Token;
  const double off =
      token ? std::log(p.row.tpot_ms / p.tpot_ms) : std::log(p.row.ttft_ms / p.ttft_ms);
  const workloads::CostBand& m = p.models;
  const double end = std::log(off > 0 ? (token ? m.decode_high : m.prompt_high)
                                      : (token ? m.decode_low : m.prompt_low));
  return std::sqrt(std::max(0.0, off * off - end * end)) / workloads::kTenthDeviation;
}

double structure_for(const Rows& rows, E2eTime time) {
  std::map<std::string, double> sizes;
  for (const E2ePrediction* p : rows) ++sizes[p->row.group()];
  std::vector<std::pair<double, double>> needed;  // {structure, weight}
  for (const E2ePrediction* p : rows) {
    needed.emplace_back(structure_needed(*p, time), 1 / sizes.at(p->row.group()));
  }
  std::ranges::sort(needed);
  const double enough = kHeldPart * static_cast<double>(sizes.size()) - 1e-9;
  double held = 0;
  for (const auto& [structure, weight] : needed) {
    held += weight;
    if (held >= enough) return structure;
  }
  return 0;
}

E2eStructure structure_of(const std::vector<E2ePrediction>& predictions, E2eTime time) {
  Rows rows;
  for (const E2ePrediction& p : predictions) {
    if (p.failed.empty() && (time == E2eTime::Token || p.counts_for_ttft())) rows.push_back(&p);
  }
  return {.all = structure_for(rows, time),
          .by_model = held_out(rows, time, [](const E2ePrediction& p) { return p.row.model; }),
          .by_engine = held_out(rows, time, [](const E2ePrediction& p) { return p.row.engine; })};
}

double coverage_of(const std::map<std::string, SetByOthers>& parts) {
  double n = 0, inside = 0;
  for (const auto& [name, part] : parts) {
    n += static_cast<double>(part.n);
    inside += static_cast<double>(part.inside);
  }
  return n > 0 ? 100 * inside / n : 0;
}

}  // namespace moesim::validation
