// Checkpoints that Hugging Face's tools have downloaded: found by their id, nothing is fetched.
#pragma once

#include <filesystem>
#include <string>

namespace moesim::tools {

// Where the files of a hub id lie: models--ORG--NAME in $HF_HUB_CACHE, else in hub/ of $HF_HOME,
// else of huggingface/ in $XDG_CACHE_HOME, else in ~/.cache. It need not exist.
std::filesystem::path hub_folder(const std::string& id);

// The snapshot with a config.json: that of refs/main, else the last by name. Empty where there is
// none.
std::filesystem::path hub_checkpoint(const std::string& id);

}  // namespace moesim::tools
