// `kernels.all_to_all:` by name: an algorithm of the hardware's, or several of a library's as
// engines use them together.
//
//   deepep   DeepEP's low-latency kernels in passes of decodes alone, as many tokens of a rank as
//            they take (engine.dispatch_tokens), its normal ones in all others, buffers of both:
//            SGLang's --deepep-mode auto (sgl-project/sglang, server_args.py, layers/moe/
//            token_dispatcher/deepep.py; it refuses larger passes of decodes)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "workloads/deployment/deployment.h"

namespace moesim::workloads {

// All there are: hardware::multicast_names(), then those of several.
const std::vector<std::string_view>& all_to_all_names();

// Sets tokens and decode_tokens; an empty name leaves them. REQUIRES: one of the names, or none
void choose_all_to_all(std::string_view name, Deployment& deployment);
// The name that chooses what a deployment has.
std::string_view all_to_all_name(const Deployment& deployment);

}  // namespace moesim::workloads
