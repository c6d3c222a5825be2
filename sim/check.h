// SIM_CHECK(condition, "what went wrong"): a promise that our own code makes to itself.
// On in every build. A broken promise prints file, line, condition and reason, and aborts.
#pragma once

namespace moesim::sim {

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const char* reason);

}  // namespace moesim::sim

#define SIM_CHECK(condition, reason) \
  (static_cast<bool>(condition)      \
       ? static_cast<void>(0)        \
       : ::moesim::sim::check_failed(__FILE__, __LINE__, #condition, reason))
