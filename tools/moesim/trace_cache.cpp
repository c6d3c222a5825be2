#include "tools/moesim/trace_cache.h"

#include <filesystem>
#include <string_view>

namespace moesim::tools {

std::shared_ptr<const workloads::TraceCache> trace_cache(
    const std::function<const char*(const char*)>& variable) {
  const auto path_in = [&](const char* name) {
    const char* const value = variable(name);
    const std::filesystem::path path = value == nullptr ? "" : value;
    return path.is_absolute() ? path : std::filesystem::path();
  };
  const char* const choice = variable("MOESIM_TRACE_CACHE");
  if (choice != nullptr && std::string_view(choice) == "off") return nullptr;
  std::filesystem::path folder = path_in("XDG_CACHE_HOME");
  if (folder.empty()) {
    const std::filesystem::path home = path_in("HOME");
    if (home.empty()) return nullptr;
    folder = home / ".cache";
  }
  return std::make_shared<const workloads::TraceCache>(folder / "moesim" / "traces");
}

}  // namespace moesim::tools
