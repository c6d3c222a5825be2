#include "tools/moesim/config_folder.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string>

namespace moesim::tools {
namespace {

std::filesystem::path variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::filesystem::path> folders_of_variable() {
  std::vector<std::filesystem::path> folders;
  std::istringstream list(variable("MOESIM_CONFIGS").string());
  for (std::string folder; std::getline(list, folder, ':');) {
    if (!folder.empty()) folders.emplace_back(folder);
  }
  return folders;
}

}  // namespace

std::filesystem::path program_folder() {
  std::error_code error;
  // Where another program has loaded this as a library: the library's.
  Dl_info here;
  if (dladdr(reinterpret_cast<const void*>(&program_folder), &here) != 0) {
    const std::filesystem::path library(here.dli_fname);
    if (library.extension() == ".so")
      return std::filesystem::canonical(library, error).parent_path();
  }
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::filesystem::path() : program.parent_path();
}

std::optional<std::filesystem::path> config_folder() {
  std::error_code error;
  const auto is_configs = [&](const std::filesystem::path& folder) {
    return std::filesystem::is_directory(folder / "devices", error);
  };
  const std::filesystem::path program = program_folder();
  if (program.empty()) return {};
  // PREFIX/bin/moesim, PREFIX/lib/python3/dist-packages/moesim/_core.so;
  // build/PRESET/tools/moesim/moesim: share/moesim of the prefix, and the source tree, are a few
  // folders up.
  constexpr int kMostUp = 5;
  std::filesystem::path above = program;
  for (int i = 0; i < kMostUp && above.has_relative_path(); ++i) {
    above = above.parent_path();
    for (const char* place : {"share/moesim/configs", "configs"})
      if (is_configs(above / place)) return above / place;
  }
  return {};
}

std::filesystem::path own_config_folder() {
  if (const auto set = folders_of_variable(); !set.empty()) return set.front();
  if (const auto data = variable("XDG_DATA_HOME"); !data.empty()) return data / "moesim/configs";
  if (const auto home = variable("HOME"); !home.empty())
    return home / ".local/share/moesim/configs";
  return {};
}

std::vector<std::filesystem::path> config_places() {
  std::vector<std::filesystem::path> places{"configs"};
  const auto add = [&](const std::filesystem::path& place) {
    if (!place.empty() && std::ranges::find(places, place) == places.end()) places.push_back(place);
  };
  for (const auto& folder : folders_of_variable()) add(folder);
  const auto config = variable("XDG_CONFIG_HOME"), home = variable("HOME");
  if (!config.empty()) {
    add(config / "moesim");
  } else if (!home.empty()) {
    add(home / ".config/moesim");
  }
  add(own_config_folder());
  if (const auto shipped = config_folder()) add(*shipped);
  return places;
}

}  // namespace moesim::tools
