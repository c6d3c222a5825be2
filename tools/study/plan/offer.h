// From what an engine carries to how many of them a load takes, what they cost, and which of two
// plans is the better one.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace moesim::tools {

enum class Objective { Gpus, Cost, Power, Throughput };
inline constexpr std::array<std::string_view, 4> kObjectiveNames{"gpus", "cost", "power",
                                                                 "throughput"};

struct Limits {
  std::int64_t gpus = 0;                                   // at most; of all engines
  double cost = std::numeric_limits<double>::infinity();   // an hour
  double power = std::numeric_limits<double>::infinity();  // watts
};

// What may be lost while the targets hold: engines stop where any of their GPUs does.
enum class Spare { None, Gpu, Node };

// One engine, as it is bought.
struct EngineTerms {
  std::int64_t gpus = 1, gpus_per_node = 1;
  double price = 0;       // of a GPU and hour
  std::int64_t most = 0;  // GPUs that there are of this kind
  std::int64_t most_engines = std::numeric_limits<std::int64_t>::max();  // 1: a run of training
  // Watts of a GPU with its part of the host, that waits and that works; 0: not known. Of an engine
  // whose use is not known yet they are the same: no less is possible.
  double idle_w = 0, busy_w = 0;
};

// What is asked of a plan.
struct Demand {
  double rate = 0;  // that is to be carried
  double confidence = 0.8;
  Objective objective = Objective::Gpus;
  Limits limits = {};
  Spare spare = Spare::None;
  // Of a run that ends once they are done, tokens: `rate` does them in time, its GPUs work until
  // then, and the objective cost is that of the run. 0: a load that stays.
  double tokens = 0;
};

struct Offer {
  std::int64_t engines = 0, gpus = 0;
  double cost = 0;         // an hour
  double power = 0;        // watts at the rate that is asked for
  double capacity = 0;     // of all engines
  double probability = 0;  // that it carries the rate, with what is spare lost
  double value = 0;        // by the objective: the less, the better
};

// Engines that are down when one GPU, or one node, is lost. Engines within a node lie side by side,
// larger ones take whole nodes.
std::int64_t engines_lost(const EngineTerms& terms, Spare spare);

// The fewest engines that carry the rate with the confidence once the spare is lost; by throughput,
// the most that the limits leave room for. Nothing where the limits do not allow it.
// `capacity`: of one engine. REQUIRES: a confidence from 0.5
std::optional<Offer> offer_of(const EngineTerms& terms, double capacity, double deviation,
                              const Demand& demand);
// The same whatever the limits are: what would do. Nothing where the engine carries nothing.
std::optional<Offer> offer_without_limits(const EngineTerms& terms, double capacity,
                                          double deviation, const Demand& demand);

// Engines that the limits have room for, as they are bought, whatever they carry; of watts by what
// those draw that wait.
std::int64_t engines_within(const EngineTerms& terms, const Limits& limits);
// The same while all of them carry what they can.
std::int64_t engines_at_work_within(const EngineTerms& terms, const Limits& limits);

// So many engines, whatever the demand asks for. Of their GPUs that part works which the rate is of
// what they carry; the others wait.
Offer offer_with(const EngineTerms& terms, std::int64_t engines, double capacity, double deviation,
                 const Demand& demand);

// By the objective, then fewer GPUs, then the larger capacity.
bool better(const Offer& a, const Offer& b);

}  // namespace moesim::tools
