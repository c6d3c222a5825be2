#include "validation/compare/inline_scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace moesim::validation {
namespace {

using sim::io::YamlDocument;
using sim::io::YamlNode;

// Where a scenario names files.
constexpr std::array<std::string_view, 5> kFiles{"model", "cluster", "routing.trace",
                                                 "placement.file", "engine"};

std::string quoted(const std::string& text) {
  const bool plain = !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '_' || c == '-' || c == '+';
  });
  if (plain) return text;
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

// The value in flow style; `path` is its place in the scenario.
std::string flow(const YamlNode& node, const std::string& path) {
  std::string text;
  if (node.is_map()) {
    for (const auto& [key, value] : node.entries())
      text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", quoted(key),
                          flow(value, path.empty() ? key : path + "." + key));
    return "{" + text + "}";
  }
  if (node.is_list()) {
    for (const YamlNode& item : node.items())
      text += fmt::format("{}{}", text.empty() ? "" : ", ", flow(item, path + "[]"));
    return "[" + text + "]";
  }
  if (node.is_null()) return "null";
  if (std::ranges::find(kFiles, path) != kFiles.end())
    return quoted(std::filesystem::absolute(node.file()).lexically_normal().string());
  return quoted(node.text());
}

}  // namespace

workloads::Scenario scenario_of(const YamlNode& node) {
  if (node.is_scalar()) return workloads::load_scenario(node.file());
  // Messages name the line that the scenario begins at.
  YamlDocument document = YamlDocument::parse(flow(node, ""), node.where() + " (scenario)");
  return workloads::read_scenario(document);
}

}  // namespace moesim::validation
