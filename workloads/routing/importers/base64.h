// Base64 (RFC 4648, section 4), both ways.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace moesim::workloads {

// Puts the bytes in the place of their text, which may be a third of a GiB. False where the text
// has another character, a wrong length or misplaced padding; it is spoilt then.
bool decode_base64(std::string& text);
std::string encode_base64(std::span<const std::uint8_t> bytes);

}  // namespace moesim::workloads
