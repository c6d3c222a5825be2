#include "workloads/deployment/read_routing.h"

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace moesim::workloads {
namespace {

using sim::io::YamlNode;

template <typename Enum, std::size_t N>
void read_choice(const YamlNode& map, const char* key, const std::array<std::string_view, N>& names,
                 Enum& value) {
  if (const auto found = map.find(key)) value = static_cast<Enum>(found->one_of(names));
}

TraceMapping read_mapping(const YamlNode& node) {
  // Of short traces whole requests are drawn again, which the report says; what changes who goes
  // where has to be asked for.
  TraceMapping mapping{.tokens = TokenMapping::Auto};
  read_choice(node, "layers", kLayerMappings, mapping.layers);
  read_choice(node, "tokens", kTokenMappings, mapping.tokens);
  read_choice(node, "experts", kExpertMappings, mapping.experts);
  read_choice(node, "order", kTokenOrders, mapping.order);
  read_choice(node, "phase", kTokenPhases, mapping.phase);
  read_choice(node, "missing", kMissingMappings, mapping.missing);
  if (const auto mix = node.find("mix")) {
    for (const auto& [domain, share] : mix->entries()) {
      mapping.mix.emplace_back(domain, share.number(0, 1e6));
    }
  }
  return mapping;
}

constexpr double kMostSkew = 10;  // that a law takes (laws.cpp)

RankLoads read_rank_loads(const YamlNode& node) {
  RankLoads ranks;
  const auto loads = node.find("rank_loads"), busiest = node.find("max_over_mean");
  if (!loads) {
    ranks.max_over_mean = busiest->number(1, kMostExperts);
    return ranks;
  }
  if (busiest) busiest->error("rank_loads say it already: leave out one of the two");
  double sum = 0;
  for (const YamlNode& load : loads->items()) {
    ranks.loads.push_back(load.number(0, 1e18));
    sum += ranks.loads.back();
  }
  if (loads->is_list() && sum <= 0) {
    loads->throw_errors();  // loads that could not be read are zero, too
    loads->error("expected the load of each expert-parallel rank, such as [3, 1, 2, 2]");
  }
  return ranks;
}

void refuse(const YamlNode& node, std::span<const char* const> keys, const std::string& why) {
  for (const char* key : keys) {
    if (const auto found = node.find(key)) found->error(why);
  }
}

constexpr std::array<const char*, 3> kOfLaw{"law", "skew", "drift"};
constexpr std::array<const char*, 2> kOfRanks{"rank_loads", "max_over_mean"};
constexpr std::array<const char*, 7> kOfTrace{"layers", "tokens",  "experts", "order",
                                              "phase",  "missing", "mix"};

}  // namespace

RoutingChoice read_routing(const std::optional<YamlNode>& node, const Shipped& shipped) {
  RoutingChoice routing;
  if (!node) return routing;
  node->allow_only({"trace", "law", "skew", "drift", "rank_loads", "max_over_mean", "layers",
                    "tokens", "experts", "order", "phase", "missing", "mix"});
  if (const auto trace = node->find("trace")) {
    refuse(*node, kOfLaw, "belongs to a routing without a trace: leave out one of the two");
    refuse(*node, kOfRanks, "belongs to a routing without a trace: leave out one of the two");
    routing.trace = shipped_file(*trace, "traces", shipped);
    routing.mapping = read_mapping(*node);
    return routing;
  }
  refuse(*node, kOfTrace, "says how a trace is mapped, but there is none: give routing.trace");
  if (node->find("rank_loads") || node->find("max_over_mean")) {
    refuse(*node, kOfLaw,
           "belongs to a routing by a law, not by loads of ranks: leave out one of the two");
    routing.ranks = read_rank_loads(*node);
    return routing;
  }
  routing.law = static_cast<Law>(node->at("law").one_of(kLawNames));
  routing.skew = default_skew(routing.law);
  // Without meaning for balanced and uniform, so that a study may change the law alone.
  if (const auto skew = node->find("skew")) routing.skew = skew->number(0, kMostSkew);
  if (const auto drift = node->find("drift")) {
    const double value = drift->number(0, 3);
    if (routing.law != Law::Balanced) routing.drift = value;
  }
  return routing;
}

}  // namespace moesim::workloads
