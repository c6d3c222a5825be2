#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "sim/check.h"
#include "tools/moesim/command.h"

namespace moesim::tools {
namespace {

// The option as the user typed it: "--ranks", or "SCENARIO" for a positional.
std::string spelled(const std::string& name) {
  const bool positional = !name.empty() && name[0] >= 'A' && name[0] <= 'Z';
  return positional ? name : "--" + name;
}

template <typename Number>
Number parse(const std::string& name, const std::string& text, const char* kind, Number least,
             Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= least) ||
      !(value <= most)) {
    throw sim::ConfigError(fmt::format("{}: expected {} from {} to {}, not \"{}\"", spelled(name),
                                       kind, least, most, text));
  }
  return value;
}

}  // namespace

bool Arguments::has(const std::string& name) const {
  const auto found = values.find(name);
  return found != values.end() && !found->second.empty();
}

std::optional<std::string> Arguments::find(const std::string& name) const {
  if (!has(name)) return {};
  return values.at(name).front();
}

std::string Arguments::text(const std::string& name) const {
  SIM_CHECK(has(name), "an option without a value and without a fallback was read");
  return values.at(name).front();
}

std::vector<std::string> Arguments::all(const std::string& name) const {
  return has(name) ? values.at(name) : std::vector<std::string>{};
}

std::int64_t Arguments::integer(const std::string& name, std::int64_t least,
                                std::int64_t most) const {
  return parse(name, text(name), "a whole number", least, most);
}

double Arguments::number(const std::string& name, double least, double most) const {
  return parse(name, text(name), "a number", least, most);
}

bool Arguments::json() const {
  return text("format") == "json";
}

}  // namespace moesim::tools
