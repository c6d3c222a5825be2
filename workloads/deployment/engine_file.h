// Which file of a folder an engine's name means: configs/engines/<engine>-<version>.yaml.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::workloads {

struct EngineFile {
  std::filesystem::path file = {};  // empty: the name is of none
  bool newest = false;              // the name has no version: the newest of its files was taken
};

// "vllm-0.19" is that file, "vllm" the newest of vllm-*.yaml; whatever the case of their letters.
EngineFile find_engine(const std::filesystem::path& folder, std::string_view name);

// All names that find_engine() knows, in the order of the alphabet.
std::vector<std::string> engine_names(const std::filesystem::path& folder);

// Whether version `a` comes before `b`: number by number, so that 0.9 is before 0.10, 1.0rc2 before
// 1.0, and 1.0 before 1.0.post1.
bool is_older(std::string_view a, std::string_view b);

}  // namespace moesim::workloads
