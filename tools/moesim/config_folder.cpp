#include "tools/moesim/config_folder.h"

#include <cstdlib>

namespace moesim::tools {

std::filesystem::path program_folder() {
  std::error_code error;
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
  const auto installed = program.parent_path() / "share" / "moesim" / "configs";
  if (is_configs(installed)) return installed;
  // build/PRESET/tools/moesim/moesim: the source tree is a few folders up.
  constexpr int kMostUp = 5;
  std::filesystem::path above = program;
  for (int i = 0; i < kMostUp && above.has_relative_path(); ++i) {
    above = above.parent_path();
    if (is_configs(above / "configs")) return above / "configs";
  }
  return {};
}

std::filesystem::path own_config_folder() {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value == nullptr ? "" : value);
  };
  if (const auto own = set("MOESIM_CONFIGS"); !own.empty()) return own;
  if (const auto data = set("XDG_DATA_HOME"); !data.empty()) return data / "moesim" / "configs";
  if (const auto home = set("HOME"); !home.empty()) return home / ".local/share/moesim/configs";
  return {};
}

}  // namespace moesim::tools
