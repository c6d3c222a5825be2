// ServeGen's description of a service's traffic: for each client and window of 600 s the rate, and
// the law of the gaps with its shape. Clients are independent; within a window a client's gaps are
// drawn with the law's shape and the mean 1 / rate (its second parameter, a scale, is not needed).
#pragma once

#include <memory>

#include "workloads/serving/requests/trace_stream.h"

namespace moesim::workloads::serving {

std::unique_ptr<RequestStream> open_rates(const RequestTrace& trace, std::uint64_t seed);

}  // namespace moesim::workloads::serving
