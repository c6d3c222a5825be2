#include "sim/io/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "sim/io/yaml_reader.h"

namespace moesim::sim::io {
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

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Insertions, deletions, replacements and swaps of neighbours that turn one into the other
// (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> two(b.size() + 1), one(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) one[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({one[j] + 1, row[j - 1] + 1, one[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], two[j - 2] + 1);
      }
    }
    two.swap(one);
    one.swap(row);
  }
  return one[b.size()];
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size() && at < most) {
    const std::size_t length = character_length(text.substr(at));
    const auto byte = static_cast<unsigned char>(text[at]);
    if (length == 0 || byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
      ++at;
    } else {
      out += text.substr(at, length);
      at += length;
    }
  }
  if (at < text.size()) out += "…";
  return out;
}

std::string quote(std::string_view text) {
  constexpr std::size_t kMost = 60;
  return '"' + printable(text, kMost) + '"';
}

std::string suggestion(std::string_view found, std::span<const std::string_view> known) {
  const std::string meant = did_you_mean(found, known);
  return meant.empty() ? "" : fmt::format("; did you mean {}?", quote(meant));
}

std::string did_you_mean(std::string_view found, std::span<const std::string_view> known) {
  constexpr std::size_t kLongest = 64;
  if (found.empty() || found.size() > kLongest) return {};
  std::string best;
  // A third of the letters may be wrong, at most three, at least one.
  std::size_t least = std::clamp(found.size() / 3, std::size_t{1}, std::size_t{3}) + 1;
  for (const std::string_view name : known) {
    if (name.size() > kLongest) continue;
    const std::size_t steps = distance(found, name);
    if (steps >= least || steps >= name.size()) continue;
    least = steps;
    best = name;
  }
  return best;
}

}  // namespace moesim::sim::io
