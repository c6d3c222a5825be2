#include "validation/tables/eager_modules.h"

namespace moesim::validation {

double eager_us(const EagerModule& module, double cache_bytes, std::int64_t tokens) {
  return (cache_bytes < 2 ? module.cache_8bit_us : module.cache_16bit_us) +
         module.token_us * static_cast<double>(tokens);
}

}  // namespace moesim::validation
