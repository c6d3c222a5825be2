// What a service is to attain: times that a part of the requests is to meet, all of them at once,
// and times that a statistic over all requests is to meet.
//
//   targets: {ttft: 2 s, tpot: 80 ms, attained: 0.99}            # of each request, in 99 % of them
//   targets: {ttft: {p99: 2 s}, tpot: {mean: 60 ms, p95: 80 ms}}
//   targets: {ttft: {each: 5 s, p50: 1 s}}                       # both
#pragma once

#include <array>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/io/json.h"
#include "sim/io/yaml_reader.h"
#include "sim/units.h"

namespace moesim::workloads::serving {

enum class TimeOf { Ttft, Tpot, Itl, E2el };
inline constexpr std::array<std::string_view, 4> kTimeOfNames{"ttft", "tpot", "itl", "e2el"};

enum class Statistic { Mean, P50, P90, P95, P99 };
inline constexpr std::array<std::string_view, 5> kStatisticNames{"mean", "p50", "p90", "p95",
                                                                 "p99"};
// The part of the requests that is at most at the statistic; nothing of a mean.
std::optional<double> part_of(Statistic statistic);

struct StatisticTarget {
  TimeOf of = TimeOf::Ttft;
  Statistic statistic = Statistic::P99;
  sim::Duration most{};
};

struct Targets {
  std::optional<sim::Duration> ttft = {}, tpot = {}, e2el = {};  // of a request
  double attained = 0.99;                                        // of the requests
  std::vector<StatisticTarget> statistics = {};                  // of all requests

  bool of_requests() const { return ttft || tpot || e2el; }
  bool any() const { return of_requests() || !statistics.empty(); }
};

// The tightest of them, whatever it is asked of.
std::optional<sim::Duration> tightest(const Targets& targets, TimeOf of);

// Mistakes are hung on the node. `also`: keys that stand there for others.
Targets read_targets(const sim::io::YamlNode& node,
                     std::initializer_list<std::string_view> also = {});
sim::io::Json to_json(const Targets& targets);
// "TTFT 2 s, p95 TPOT 80 ms"
std::string text_of(const Targets& targets);
// "p95 TPOT"
std::string name_of(const StatisticTarget& target);

}  // namespace moesim::workloads::serving
