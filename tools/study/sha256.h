// SHA-256 (FIPS 180-4): names that no two different things share.
#pragma once

#include <string>
#include <string_view>

namespace moesim::tools {

// 64 hexadecimal digits.
std::string sha256(std::string_view bytes);

}  // namespace moesim::tools
