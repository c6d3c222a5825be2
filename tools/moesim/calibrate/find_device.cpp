#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "tools/moesim/calibrate/cost_commands.h"
#include "tools/moesim/config_folder.h"

namespace moesim::tools {
namespace {

namespace fs = std::filesystem;

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

fs::path find_device_file(const std::string& name, const char* option) {
  if (name.find('/') != std::string::npos || name.ends_with(".yaml") || name.ends_with(".yml"))
    return name;  // a file: the loader says what is wrong with it
  std::vector<std::string> names;
  for (const fs::path& place : config_places()) {
    std::error_code error;
    const fs::path folder = place / "devices";
    const fs::path file = folder / (lower(name) + ".yaml");
    if (fs::is_regular_file(file, error)) return file;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
      const std::string stem = entry.path().stem().string();
      if (entry.path().extension() == ".yaml" && !stem.ends_with(".fitted") &&
          std::ranges::find(names, stem) == names.end())
        names.push_back(stem);
    }
  }
  std::ranges::sort(names);
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string near = sim::io::did_you_mean(lower(name), views);
  throw sim::ConfigError(fmt::format(
      "{}: there is no file and no device \"{}\"; the devices are {}{}", option, name,
      fmt::join(names, ", "), near.empty() ? "" : fmt::format("; did you mean {}?", near)));
}

hardware::Device find_device(const std::string& name, const char* option) {
  return hardware::load_device(find_device_file(name, option));
}

}  // namespace moesim::tools
