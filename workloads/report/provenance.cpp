#include "workloads/report/provenance.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

namespace moesim::workloads {
namespace {

using hardware::ModelUse;
using hardware::Origin;
using hardware::Provenance;

Provenance provenance_of(const ModelUse& use, const hardware::Device& device) {
  std::string text = fmt::format("{} {}", use.kind, use.asked);
  if (use.stand_in()) text += fmt::format(" by {}", use.used);
  if (!use.provenance.source.empty()) text += ": " + use.provenance.source;
  if (use.p90_error_percent > 0) {
    text += fmt::format(", held out: median {:.1f} %, p90 {:.1f} %", use.median_error_percent,
                        use.p90_error_percent);
  }
  if (!use.carried_from.empty()) {
    text += fmt::format("; carried over from {} to {}", use.carried_from, device.name);
  }
  const bool beyond = use.stand_in() || !use.carried_from.empty();
  return {beyond ? Origin::Extrapolated : use.provenance.origin, std::move(text)};
}

void add_once(std::vector<const ModelUse*>& uses, const ModelUse* use) {
  if (std::ranges::find(uses, use) == uses.end()) uses.push_back(use);
}

// What is not a cost model: shapes, host, routing.
void add_inputs(const Deployment& d, std::vector<Provenance>& list) {
  if (!d.model.published.source.empty()) {
    list.push_back({Origin::Imported, "model: " + d.model.published.source});
  }
  if (!d.host.engine.empty()) {
    list.push_back({Origin::Fitted, "host: " + d.host.engine + ": " + d.host.source});
  }
  if (!d.model.is_moe()) return;
  if (d.routing.ranks.given()) {
    list.push_back({Origin::Imported, "routing: " + d.routing.ranks.description()});
    return;
  }
  list.push_back(
      d.routing.trace.empty()
          ? Provenance{Origin::Extrapolated,
                       fmt::format("routing: drawn from the law {}", name_of(d.routing.law))}
          : Provenance{Origin::Imported, "routing: " + d.routing.trace.filename().string()});
}

}  // namespace

void Ledger::add(std::size_t phase, std::span<const PricedTime> priced, double weight) {
  std::vector<Entry>& entries = entries_[phase];
  for (const PricedTime& part : priced) {
    if (part.use == nullptr) continue;
    const double time = weight * static_cast<double>(part.time.count());
    const auto same = std::ranges::find_if(
        entries, [&](const Entry& e) { return e.use == part.use && e.outside == part.outside; });
    if (same != entries.end()) {
      same->time += time;
    } else {
      entries.push_back({part.use, part.outside, time});
    }
  }
}

void Ledger::write(const Deployment& deployment, Report& report) const {
  const hardware::Device& device = deployment.cluster.device;
  std::vector<const ModelUse*> uses;
  std::map<std::string, double> reasons;
  ExtrapolatedReport& out = report.extrapolated;
  for (std::size_t i = 0; i < kPhases; ++i) {
    double all = 0;
    for (const Entry& entry : entries_[i]) all += entry.time;
    for (const Entry& entry : entries_[i]) {
      add_once(uses, entry.use);
      const std::string reason = reason_of(*entry.use, entry.outside);
      if (reason.empty() || all == 0) continue;
      const double share =
          report.phases[i].exposed_us * entry.time / all / report.step_time_us.mean;
      out.by_phase[i] += share;
      out.share += share;
      reasons[reason] += share;
    }
  }
  for (const auto& [what, share] : reasons) out.reasons.push_back({what, share});
  std::ranges::stable_sort(out.reasons,
                           [](const auto& a, const auto& b) { return a.share > b.share; });
  report.provenance = {{device.provenance.origin, device.provenance.source}};
  for (const ModelUse* use : uses) {
    report.provenance.push_back(provenance_of(*use, device));
    if (use->stand_in()) report.stand_ins.push_back({use->kind, use->asked, use->used});
    if (!use->carried_from.empty()) report.carried_over.push_back({use->kind, use->carried_from});
  }
  add_inputs(deployment, report.provenance);
}

}  // namespace moesim::workloads
