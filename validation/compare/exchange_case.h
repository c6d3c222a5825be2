// A published case that is one exchange of tokens, there and back:
//
//   exchange:
//     cluster: ../../configs/clusters/h800-16x8.yaml
//     ranks: 128
//     algorithm: deepep_low_latency
//     tokens: 128            of each rank
//     hidden: 7168
//     top_k: 8
//     experts: 256
//     groups: 8, groups_per_token: 4, law: uniform, skew, seed, sms: 20, network: fluid (optional)
//     dispatch: fp8_block
//     combine: bf16
//
// The report has, for each way (dispatch_…, combine_…):
//   us             until the last rank is done
//   far_GBps       rows once for each node that wants them, its own among them, over that time
//   (what
//                  DeepEP's tests print as RDMA bandwidth), a rank's mean
//   near_GBps      rows once for each rank that wants them, its own among them (NVLink bandwidth)
//   message_GBps   a message for each choice (low latency)
#pragma once

#include "sim/io/json.h"
#include "sim/io/yaml_reader.h"

namespace moesim::validation {

// Throws ConfigError for what is wrong in the node, and what the simulation throws.
sim::io::Json run_exchange_case(const sim::io::YamlNode& node);

}  // namespace moesim::validation
