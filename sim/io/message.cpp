#include "sim/io/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "sim/io/yaml_reader.h"
#include "sim/printable.h"

namespace moesim::sim::io {
namespace {

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
