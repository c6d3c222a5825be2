#include "tools/report/number_text.h"

#include <fmt/format.h>

#include <cmath>

#include "sim/units_text.h"

namespace moesim::tools {

std::string time_text(double us) {
  return sim::to_text(sim::picoseconds_rounded_up(us * 1e6));
}

std::string while_text(double seconds) {
  if (seconds < 120) return fmt::format("{:.3g} s", seconds);
  if (seconds < 7200) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

std::string bytes_text(double bytes) {
  return sim::to_text(sim::Bytes(std::llround(bytes)));
}

std::string percent_text(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

std::string factor_text(double factor) {
  return fmt::format("{:.2f}", factor);
}

std::string count_text(double count) {
  std::string text = fmt::format("{:.0f}", std::abs(count));
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return std::round(count) < 0 ? "-" + text : text;
}

TimeUnit time_unit(double largest_us) {
  if (largest_us >= 1e6) return {"s", 1e6};
  if (largest_us >= 1e3) return {"ms", 1e3};
  return {"us", 1};
}

}  // namespace moesim::tools
