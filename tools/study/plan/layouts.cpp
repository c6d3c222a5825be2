#include "tools/study/plan/layouts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <string>

namespace moesim::tools {

using workloads::Parallelism;

std::vector<std::int64_t> engine_sizes(std::int64_t gpus_per_node, std::int64_t most) {
  std::set<std::int64_t> sizes;
  for (std::int64_t gpus = 1; gpus <= std::min(gpus_per_node, most); gpus *= 2) sizes.insert(gpus);
  for (const std::int64_t nodes : {1, 3, 9}) {
    for (std::int64_t gpus = nodes * gpus_per_node; gpus <= most; gpus *= 2) sizes.insert(gpus);
  }
  return {sizes.begin(), sizes.end()};
}

std::vector<Parallelism> layouts_of(std::int64_t gpus, std::int64_t gpus_per_node,
                                    std::int64_t slots, const LayoutSpace& space) {
  std::vector<Parallelism> layouts;
  const auto add_experts = [&](Parallelism p) {
    if (slots == 0) {
      p.etp = p.tp;
      layouts.push_back(p);
      return;
    }
    std::set<std::int64_t> widths;
    if (space.etp_one) widths.insert(1);
    if (space.etp_tp) widths.insert(p.tp);
    const std::int64_t ranks = p.tp * p.cp * p.dp;
    for (const std::int64_t etp : widths) {
      for (std::int64_t ep = 1; ep * etp <= ranks; ++ep) {
        if (ranks % (ep * etp) != 0 || slots % ep != 0) continue;
        if (!space.ep.empty() && std::ranges::find(space.ep, ep) == space.ep.end()) continue;
        p.etp = etp;
        p.ep = ep;
        layouts.push_back(p);
      }
    }
  };
  for (const std::int64_t tp : space.tp) {
    if (tp > gpus_per_node) continue;
    for (const std::int64_t pp : space.pp) {
      for (const std::int64_t cp : space.cp) {
        if (gpus % (tp * pp * cp) == 0)
          add_experts({.tp = tp, .pp = pp, .dp = gpus / (tp * pp * cp), .cp = cp});
      }
    }
  }
  return layouts;
}

bool is_several_engines(const Parallelism& p) {
  return p.dp > 1 && (p.ep * p.etp <= p.tp * p.cp || std::gcd(p.dp, p.edp()) > 1);
}

std::string short_name(const Parallelism& p) {
  const std::array<std::pair<const char*, std::int64_t>, 6> sizes{
      {{"tp", p.tp}, {"pp", p.pp}, {"cp", p.cp}, {"dp", p.dp}, {"ep", p.ep}, {"etp", p.etp}}};
  std::string text;
  for (const auto& [name, size] : sizes) {
    if (size > 1) text += fmt::format("{}{}{}", text.empty() ? "" : "-", name, size);
  }
  return text.empty() ? "tp1" : text;
}

}  // namespace moesim::tools
