#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "sim/check.h"
#include "tools/moesim/command.h"

namespace moesim::tools {
namespace {

namespace fs = std::filesystem;

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

// Where a file lies or will; nothing of what is no file of its own: standard output, a device.
std::optional<fs::path> place_of(const std::string& text) {
  std::error_code error;
  fs::path file = fs::weakly_canonical(text, error);
  if (error || text.empty() || text == "-") return {};
  if (fs::exists(file, error) && !fs::is_regular_file(file, error)) return {};
  return file;
}

bool are_one(const fs::path& a, const fs::path& b) {
  std::error_code none;
  return a == b || fs::equivalent(a, b, none);  // by two names, too
}

std::string shown(const Option& option) {
  return option.name.substr(0, option.name.find(','));
}

// Before the work, not after it: a file, or one of a folder (PATH, FOLDER), can be there.
void check_place(const Option& option, const std::string& text) {
  if (text.empty())
    throw sim::ConfigError(fmt::format("{}: expected a file's name", shown(option)));
  const auto cannot = [&](int why) {
    return sim::ConfigError(fmt::format("{}: cannot be written: {}", text, std::strerror(why)));
  };
  const bool may_be_folder = option.value == "PATH" || option.value == "FOLDER";
  std::error_code none;
  if (fs::is_directory(text, none)) {
    if (may_be_folder) return;
    throw cannot(EISDIR);
  }
  // Of a folder that is to be made the one that it is made in.
  const bool is_made = option.value == "FOLDER" && fs::path(text).filename().empty();
  const fs::path place = fs::path(text).parent_path();
  const fs::path folder = is_made ? place.parent_path() : place;
  if (!folder.empty() && !fs::is_directory(folder, none)) throw cannot(ENOENT);
}

}  // namespace

std::string key_of(const std::string& option) {
  const std::string name = option.substr(option.rfind(',') + 1);
  return name.substr(std::min(name.find_first_not_of('-'), name.size()));
}

void check_outputs(const Command& command, const Arguments& arguments) {
  for (const Option& option : command.options) {
    if (!option.is_output) continue;
    for (const std::string& text : arguments.all(key_of(option.name))) check_place(option, text);
  }
  struct Use {
    const Option* option;
    std::string text;
    fs::path place;
  };
  std::vector<Use> written, read;
  for (const Option& option : command.options) {
    if (!option.is_file) continue;
    for (const std::string& text : arguments.all(key_of(option.name))) {
      const auto place = place_of(text);
      if (place) (option.is_output ? written : read).push_back({&option, text, *place});
    }
  }
  for (auto one = written.begin(); one != written.end(); ++one) {
    for (auto other = written.begin(); other != one; ++other) {
      if (!are_one(one->place, other->place)) continue;
      throw sim::ConfigError(fmt::format("{} and {}: both would write {}: say another name for one",
                                         shown(*other->option), shown(*one->option), one->text));
    }
    for (const Use& other : read) {
      if (!are_one(one->place, other.place)) continue;
      throw sim::ConfigError(
          fmt::format("{}: {} is read, and would be written over: say another name",
                      shown(*one->option), one->text));
    }
  }
}

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
