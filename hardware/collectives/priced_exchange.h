// An exchange with what its closed form says of it.
#pragma once

#include "hardware/trust.h"
#include "sim/exchange.h"
#include "sim/units.h"

namespace moesim::hardware {

struct PricedExchange {
  sim::Exchange exchange;
  // By the closed form: what its play takes where the network is idle and is one switch. Each
  // further switch of a path adds its latency, and skew more where flows share a port unevenly.
  sim::Duration alone{};
  Trust trust = {};  // its `use` is of the cluster's models, and lives as long as they do
};

}  // namespace moesim::hardware
