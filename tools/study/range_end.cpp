#include "tools/study/range_end.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace moesim::tools {

std::optional<RangeEnd> read_range_end(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  RangeEnd q;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), q.number);
  if (error != std::errc{} || !(q.number >= 0) || q.number > 1e18) return {};
  q.unit = std::string(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.data()));
  q.whole = q.unit.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
  return q;
}

std::string range_end_text(double number, const std::string& unit, bool whole) {
  return whole ? fmt::format("{}", std::llround(number)) : fmt::format("{:.6g}{}", number, unit);
}

}  // namespace moesim::tools
