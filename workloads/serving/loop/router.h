// Which replica of a pool a request goes to. A router never knows how long an output will be.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "sim/random.h"
#include "workloads/serving/loop/replica.h"

namespace moesim::workloads::serving {

// least_requests, least_tokens, power_of_two look at a snapshot; prefix_aware: the longest prefix
// that its own earlier choices have put somewhere, of equals the least requests; dynamo: prompt
// blocks that are not cached + blocks in use + prompt blocks that are being computed, the least.
enum class RouterPolicy {
  RoundRobin,
  Random,
  LeastRequests,
  LeastTokens,
  PowerOfTwo,
  PrefixAware,
  Dynamo
};
inline constexpr std::array<std::string_view, 7> kRouterPolicyNames{
    "round_robin",  "random",       "least_requests", "least_tokens",
    "power_of_two", "prefix_aware", "dynamo"};

struct RouterRules {
  RouterPolicy policy = RouterPolicy::RoundRobin;
  sim::Duration snapshot{};  // how old what it knows may be; 0: it always knows
};

class Router {
 public:
  Router(const RouterRules& rules, std::uint64_t seed, std::string_view pool);
  // Of the replicas that are open, in a fixed order. REQUIRES: not empty
  std::size_t choose(const Job& job, const std::vector<const Replica*>& open, sim::Time now);
  // Others are open now: what is known of them is of no use.
  void forget() { fresh_ = false; }

 private:
  struct Known {
    const Replica* replica = nullptr;
    std::int64_t requests = 0, tokens = 0, blocks = 0;
    std::int64_t chosen = 0, chosen_tokens = 0;  // since then
  };
  void look(const std::vector<const Replica*>& open, sim::Time now);

  RouterRules rules_;
  sim::Random random_;
  std::size_t turn_ = 0;
  std::vector<Known> known_;
  sim::Time looked_{};
  bool fresh_ = false;
};

}  // namespace moesim::workloads::serving
