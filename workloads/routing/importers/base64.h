// Base64 (RFC 4648, section 4), both ways.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::workloads {

// False where the text has another character, a wrong length or misplaced padding.
bool decode_base64(std::string_view text, std::vector<std::uint8_t>& bytes);
std::string encode_base64(std::span<const std::uint8_t> bytes);

}  // namespace moesim::workloads
