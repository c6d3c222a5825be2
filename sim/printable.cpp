#include "sim/printable.h"

#include <fmt/format.h>

#include <cstdint>

namespace moesim::sim {
namespace {

// Of the UTF-8 character that the text starts with; 0 where it starts with none.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  if (first >= 0xE0 && first <= 0xEF) length = 3;
  if (first >= 0xF0 && first <= 0xF4) length = 4;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (first == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
  if (first == 0xED && byte(1) > 0x9F) return 0;  // a surrogate
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

// What Unicode has beyond ASCII that shows nothing and changes how the rest is shown: controls, and
// embeddings, overrides and isolates of the writing's direction. `c`: a character of two bytes or
// three.
bool is_hidden(std::uint32_t c) {
  return (c >= 0x80 && c < 0xA0) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

// The character's number.
std::uint32_t number_of(std::string_view character) {
  std::uint32_t number =
      static_cast<unsigned char>(character[0]) & (0xFFu >> (character.size() + 1));
  for (const char c : character.substr(1))
    number = number << 6 | (static_cast<unsigned char>(c) & 0x3F);
  return number;
}

}  // namespace

std::string printable(std::string_view text, std::size_t most, bool lines) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size() && at < most) {
    const std::size_t length = character_length(text.substr(at));
    const auto byte = static_cast<unsigned char>(text[at]);
    const bool control = (byte < 0x20 && !(lines && byte == '\n')) || byte == 0x7F;
    if (length == 0 || control) {
      out += byte == '\n' ? "\\n" : fmt::format("\\x{:02x}", byte);
      ++at;
    } else if (length > 1 && is_hidden(number_of(text.substr(at, length)))) {
      out += fmt::format("\\u{:04x}", number_of(text.substr(at, length)));
      at += length;
    } else {
      out += text.substr(at, length);
      at += length;
    }
  }
  if (at < text.size()) out += "…";
  return out;
}

}  // namespace moesim::sim
