// What is at a path that somebody wrote. Nothing that cannot be looked at (a name that is too long,
// a folder that may not be read) is there; whoever opens it says why.
#pragma once

#include <filesystem>
#include <system_error>

namespace moesim::sim::io {

inline bool is_there(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

inline bool is_file(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

inline bool is_folder(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

}  // namespace moesim::sim::io
