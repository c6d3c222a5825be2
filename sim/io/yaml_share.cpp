#include "sim/io/yaml_share.h"

#include <fmt/format.h>

#include <charconv>

namespace moesim::sim::io {

double share_of(const YamlNode& node, double least, double most) {
  if (!node.is_scalar()) return node.number(least, most);
  const std::string text = node.text();
  if (!text.ends_with('%')) return node.number(least, most);
  std::string_view digits(text.data(), text.size() - 1);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  double percent = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), percent);
  // Divided, not multiplied: 0.5 % is the number that is written 0.005.
  const double share = percent / 100;
  if (error == std::errc{} && end == digits.data() + digits.size() && share >= least &&
      share <= most)
    return share;
  node.error(
      fmt::format("expected a part from {} to {}, or as much in percent, such as {} %, not \"{}\"",
                  least, most, 100 * most, text));
  return least;
}

}  // namespace moesim::sim::io
