// What a page of a report holds, taken apart without the code that put it there.
#pragma once

#include <doctest/doctest.h>
#include <zlib.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace moesim::tests {

inline std::string from_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0;
  int held = 0;
  for (const char c : text) {
    if (c == '=') break;
    const auto value = digits.find(c);
    REQUIRE(value != std::string::npos);
    bits = bits << 6 | static_cast<unsigned>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes += static_cast<char>(bits >> held & 0xff);
  }
  return bytes;
}

inline std::string gunzip(const std::string& packed) {
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  std::string text, piece(1 << 16, '\0');
  std::vector<unsigned char> input(packed.begin(), packed.end());
  stream.next_in = input.data();
  stream.avail_in = static_cast<uInt>(input.size());
  int result = Z_OK;
  while (result == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    result = inflate(&stream, Z_NO_FLUSH);
    text.append(piece, 0, piece.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  REQUIRE(result == Z_STREAM_END);
  return text;
}

// The JSON in the slot of a page.
inline nlohmann::ordered_json page_data(const std::string& html) {
  const std::string slot = "id=\"data\">";
  const std::size_t from = html.find(slot) + slot.size(), to = html.find('<', from);
  REQUIRE(to != std::string::npos);
  return nlohmann::ordered_json::parse(gunzip(from_base64(html.substr(from, to - from))));
}

}  // namespace moesim::tests
