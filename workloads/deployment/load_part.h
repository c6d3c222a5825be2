// A file that another one names.
#pragma once

#include <fmt/format.h>

#include <filesystem>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"

namespace moesim::workloads {

// Loads what another file describes. What is wrong in it is that file's own error: its message
// already says where, so it is passed on as one more mistake of this one.
template <typename T, typename Load>
T load_part(const sim::io::YamlNode& node, const std::filesystem::path& file, Load&& load) {
  if (node.is_missing() || !node.is_scalar()) {
    if (!node.is_missing()) node.error("expected the path of a file");
    return {};
  }
  try {
    return load(file);
  } catch (const sim::ConfigError& error) {
    node.error(fmt::format("this file is wrong:\n{}", error.what()));
  } catch (const sim::InputError& error) {
    node.error(error.what());
  }
  return {};
}

}  // namespace moesim::workloads
