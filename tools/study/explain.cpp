#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "sim/error.h"
#include "tools/study/compare.h"
#include "workloads/deployment/check.h"
#include "workloads/run.h"
#include "workloads/step/read_step.h"

namespace moesim::tools {
namespace {

using workloads::Scenario;

std::int64_t time_ps(const Scenario& scenario) {
  return std::llround(workloads::run(scenario).report.step_time_us.mean * 1e6);
}

// Mixtures by the parts that are of B, each played once; nothing where it cannot be.
class Mixtures {
 public:
  Mixtures(Scenario a, Scenario b, std::vector<Part> parts)
      : a_(std::move(a)), b_(std::move(b)), parts_(std::move(parts)) {
    for (Scenario* one : {&a_, &b_}) one->deployment.network.fidelity = hardware::Fidelity::Bound;
  }

  std::optional<std::int64_t> time(Changes changes) {
    const auto known = times_.find(changes);
    return known != times_.end() ? known->second : times_[changes] = play(changes);
  }

 private:
  std::optional<std::int64_t> play(Changes changes) const {
    std::vector<Part> of_b;
    for (std::size_t i = 0; i < parts_.size(); ++i)
      if (changes >> i & 1) of_b.push_back(parts_[i]);
    const Scenario mixed = mixture(a_, b_, of_b);
    if (!workloads::check(mixed.deployment).empty() ||
        !workloads::check(mixed.deployment, *mixed.step()).empty())
      return {};
    try {
      return time_ps(mixed);
    } catch (const sim::Error&) {
      if (of_b.empty() || of_b.size() == parts_.size()) throw;
      return {};
    }
  }

  Scenario a_, b_;
  std::vector<Part> parts_;
  std::map<Changes, std::optional<std::int64_t>> times_;
};

// The union of the groups whose bits are set.
Changes parts_in(const std::vector<Changes>& groups, Changes chosen) {
  Changes parts = 0;
  for (std::size_t i = 0; i < groups.size(); ++i)
    if (chosen >> i & 1) parts |= groups[i];
  return parts;
}

// The sets of groups whose times are asked for: all, or those on the two paths.
std::vector<Changes> sets_of(std::size_t groups) {
  std::vector<Changes> sets;
  const Changes all = (Changes{1} << groups) - 1;
  if (groups <= kMostShapley) {
    for (Changes set = 0; set <= all; ++set) sets.push_back(set);
  } else {
    for (std::size_t i = 0; i <= groups; ++i) {
      const Changes first = (Changes{1} << i) - 1;
      sets.push_back(first);
      sets.push_back(all & ~first);
    }
  }
  std::ranges::stable_sort(sets, {}, [](Changes set) { return std::popcount(set); });
  return sets;
}

// Puts together what cannot be changed alone, until every set that is asked for can be.
std::vector<Changes> groups_that_can_be(Mixtures& mixtures, std::size_t parts) {
  std::vector<Changes> groups;
  for (std::size_t i = 0; i < parts; ++i) groups.push_back(Changes{1} << i);
  const auto can_be = [&](Changes chosen) {
    return mixtures.time(parts_in(groups, chosen)).has_value();
  };
  for (;;) {
    const std::vector<Changes> sets = sets_of(groups.size());
    const auto wrong = std::ranges::find_if(sets, [&](Changes set) { return !can_be(set); });
    if (wrong == sets.end()) return groups;
    // The last that was changed needs another: the first that makes it possible, else the next.
    const auto changed = static_cast<std::size_t>(std::bit_width(*wrong) - 1);
    std::size_t needed = groups.size();
    for (std::size_t i = 0; i < groups.size() && needed == groups.size(); ++i) {
      if (!(*wrong >> i & 1) && can_be(*wrong | Changes{1} << i)) needed = i;
    }
    for (std::size_t i = 0; i < groups.size() && needed == groups.size(); ++i) {
      if (!(*wrong >> i & 1)) needed = i;
    }
    groups[std::min(changed, needed)] |= groups[std::max(changed, needed)];
    groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(std::max(changed, needed)));
  }
}

std::string name_of_group(const std::vector<Part>& parts, Changes group) {
  std::string name;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!(group >> i & 1)) continue;
    name += (name.empty() ? "" : " and ") + std::string(name_of(parts[i]));
  }
  return name;
}

}  // namespace

void explain(const Scenario& a, const Scenario& b, Comparison& comparison) {
  if (a.training() != nullptr || b.training() != nullptr)
    throw sim::ConfigError(
        "--why: a step of training is not mixed with another: compare without --why tells the time "
        "of both, part by part");
  if (a.step() == nullptr || b.step() == nullptr)
    throw sim::ConfigError("--why: a service is not mixed with another: compare steps of both");
  const std::vector<Part> parts = parts_between(a, b);
  Mixtures mixtures(a, b, parts);
  const std::vector<Changes> groups = groups_that_can_be(mixtures, parts.size());
  const ValueOf value = [&](Changes chosen) { return *mixtures.time(parts_in(groups, chosen)); };
  comparison.approximate_why = groups.size() > kMostShapley;
  const std::vector<std::int64_t> shares = comparison.approximate_why
                                               ? path_shares(groups.size(), value)
                                               : shapley_shares(groups.size(), value);
  const auto keys = changes_between(workloads::resolved(a), workloads::resolved(b));
  std::int64_t left = comparison.difference_ps();
  comparison.why.clear();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    WhyShare share{.part = name_of_group(parts, groups[i]), .ps = shares[i]};
    for (const KeyChange& change : keys) {
      const auto part = part_of(change.key);
      // A cluster's file names its device, too.
      const bool device =
          part == Part::Cluster && std::ranges::find(parts, Part::Cluster) == parts.end();
      const auto at = std::ranges::find(parts, device ? Part::Device : part.value_or(Part::Model));
      if (part && at != parts.end() && groups[i] >> (at - parts.begin()) & 1)
        share.keys.push_back(change);
    }
    left -= share.ps;
    if (share.ps != 0 || groups.size() == 1) comparison.why.push_back(std::move(share));
  }
  if (left != 0) comparison.why.push_back({.part = "network model", .ps = left});
  std::ranges::stable_sort(
      comparison.why, [](const auto& x, const auto& y) { return std::abs(x.ps) > std::abs(y.ps); });
}

}  // namespace moesim::tools
