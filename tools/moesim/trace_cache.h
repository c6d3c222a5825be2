// Where this program keeps unpacked traces.
#pragma once

#include <functional>
#include <memory>

#include "workloads/routing/trace/trace_cache.h"

namespace moesim::tools {

// In moesim/traces of $XDG_CACHE_HOME where that is an absolute path (XDG Base Directory
// Specification 0.8), else of $HOME/.cache. Null where MOESIM_TRACE_CACHE is "off", or no variable
// says where. `variable`: std::getenv, which gives null for one that is not set.
std::shared_ptr<const workloads::TraceCache> trace_cache(
    const std::function<const char*(const char*)>& variable);

}  // namespace moesim::tools
