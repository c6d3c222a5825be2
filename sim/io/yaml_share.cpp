#include "sim/io/yaml_share.h"

#include <fmt/format.h>

#include <charconv>

namespace moesim::sim::io {

double read_share(const YamlNode& node, double least, double most) {
  if (!node.is_scalar()) return node.number(least, most);
  const std::string text = node.text();
  if (!text.ends_with('%')) return node.number(least, most);
  std::string_view digits(text);
  digits.remove_suffix(1);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  double percent = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), percent);
  const bool whole = error == std::errc{} && end == digits.data() + digits.size();
  if (whole && percent >= 100 * least && percent <= 100 * most) return percent / 100;
  node.error(
      fmt::format("expected a part from {} to {}, or as much in percent, such as {} %, not "
                  "\"{}\"",
                  least, most, 100 * most, text));
  return least;
}

}  // namespace moesim::sim::io
