#include "sim/error.h"

#include <limits>

#include "sim/printable.h"

namespace moesim::sim {

Error::Error(ExitCode code, const std::string& message)
    : std::runtime_error(printable(message, std::numeric_limits<std::size_t>::max(), true)),
      code_(code) {}

}  // namespace moesim::sim
