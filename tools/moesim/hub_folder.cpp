#include "tools/moesim/hub_folder.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace moesim::tools {

namespace fs = std::filesystem;

namespace {

fs::path hub() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value == nullptr ? "" : value);
  };
  if (const auto cache = variable("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (const auto home = variable("HF_HOME"); !home.empty()) return home / "hub";
  if (const auto cache = variable("XDG_CACHE_HOME"); !cache.empty())
    return cache / "huggingface/hub";
  return variable("HOME") / ".cache/huggingface/hub";
}

}  // namespace

fs::path hub_folder(const std::string& id) {
  std::string name = "models--" + id;
  if (const std::size_t slash = name.find('/'); slash != std::string::npos)
    name.replace(slash, 1, "--");
  return hub() / name;
}

fs::path hub_checkpoint(const std::string& id) {
  const fs::path folder = hub_folder(id), snapshots = folder / "snapshots";
  std::error_code error;
  const auto has_config = [&](const fs::path& snapshot) {
    return fs::is_regular_file(snapshot / "config.json", error);
  };
  std::string commit;
  if (std::ifstream(folder / "refs" / "main") >> commit && has_config(snapshots / commit))
    return snapshots / commit;
  fs::path last;
  for (const auto& entry : fs::directory_iterator(snapshots, error)) {
    if (has_config(entry.path())) last = std::max(last, entry.path());
  }
  return last;
}

}  // namespace moesim::tools
