#include "workloads/placement/placement_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "workloads/placement/experts.h"

namespace moesim::workloads {

namespace {

using Slots = std::vector<std::vector<ExpertId>>;
using sim::io::YamlNode;

// Lists of experts, a layer each: `slots`, and SGLang's physical_to_logical_map.
void read_lists(const YamlNode& list, std::uint32_t experts, Slots& slots) {
  for (const YamlNode& layer : list.items()) {
    auto& row = slots.emplace_back();
    for (const YamlNode& slot : layer.items()) {
      row.push_back(static_cast<ExpertId>(slot.integer(0, std::int64_t{experts} - 1)));
    }
  }
}

// Whether `key`, where a map says it, is the number of what the map lists.
void check_count(const YamlNode& node, const char* key, std::int64_t listed) {
  const auto said = node.find(key);
  if (!said) return;
  if (const std::int64_t count = said->integer(0, 1 << 20); count != listed)
    said->error(fmt::format("{}, but {} are listed: is the file whole?", count, listed));
}

// A mistake that every layer behind it would have, too, ends the reading.
void stop(const YamlNode& node, const std::string& what) {
  node.error(what);
  node.throw_errors();
}

// vLLM-Ascend's expert map: {layer_list: [{layer_id, device_list: [{device_id, device_expert:
// [...]}]}]}. Layers and devices stand in the order of their numbers. `ranks`: none where any will
// do.
void read_ascend(const YamlNode& root, std::uint32_t experts, std::optional<std::uint32_t> ranks,
                 Slots& slots) {
  root.allow_only({"moe_layer_count", "layer_list"});
  std::int64_t layers = 0;
  for (const YamlNode& layer : root.at("layer_list").items()) {
    layer.allow_only({"layer_id", "device_count", "device_list"});
    if (const auto id = layer.find("layer_id"); id && id->integer(0, 1 << 20) != layers) {
      stop(*id, fmt::format("expected layer {}: layers stand in their order", layers));
    }
    ++layers;
    auto& row = slots.emplace_back();
    std::int64_t devices = 0;
    for (const YamlNode& device : layer.at("device_list").items()) {
      device.allow_only({"device_id", "device_expert"});
      if (const auto id = device.find("device_id"); id && id->integer(0, 1 << 20) != devices) {
        stop(*id, fmt::format("expected device {}: devices stand in their order", devices));
      }
      ++devices;
      for (const YamlNode& expert : device.at("device_expert").items()) {
        row.push_back(static_cast<ExpertId>(expert.integer(0, std::int64_t{experts} - 1)));
      }
    }
    check_count(layer, "device_count", devices);
    if (ranks && devices != std::int64_t{*ranks}) {
      stop(layer,
           fmt::format("a map of {} devices, but the experts are over {} ranks", devices, *ranks));
    }
  }
  check_count(root, "moe_layer_count", layers);
}

// The list that messages are about.
YamlNode read_slots(const YamlNode& root, std::uint32_t experts, std::optional<std::uint32_t> ranks,
                    Slots& slots) {
  if (root.is_map() && root.find("layer_list")) {
    read_ascend(root, experts, ranks, slots);
    return root.at("layer_list");
  }
  for (const char* key : {"physical_to_logical_map", "physical_to_logical"}) {
    if (!root.is_map() || !root.find(key)) continue;
    const YamlNode list = root.at(key);
    read_lists(list, experts, slots);
    return list;
  }
  root.allow_only({"name", "slots"});
  const YamlNode list = root.at("slots");
  read_lists(list, experts, slots);
  return list;
}

}  // namespace

ExpertPlacement placement_from_file(const std::filesystem::path& file, std::uint32_t experts,
                                    std::uint32_t ranks, std::uint32_t layers) {
  const auto document = sim::io::YamlDocument::load(file);
  const auto root = document.root();
  ExpertPlacement placement{file.filename().string(), {}};
  if (const auto name = root.find("name")) placement.name = name->text();
  Slots slots;
  const YamlNode list = read_slots(root, experts, ranks, slots);
  if (slots.size() != 1 && slots.size() != layers) {
    list.error(fmt::format("expected a list for each of {} MoE layers, or one for all, not {}",
                           layers, slots.size()));
  }
  document.throw_errors();
  for (std::size_t l = 0; l < slots.size(); ++l) {
    try {
      placement.layers.emplace_back(std::move(slots[l]), experts, ranks);
    } catch (const sim::ConfigError& error) {
      stop(list.items()[l], error.what());
    }
  }
  return placement;
}

std::uint32_t slots_in_file(const std::filesystem::path& file, std::uint32_t experts) {
  const auto document = sim::io::YamlDocument::load(file);
  Slots slots;
  read_slots(document.root(), experts, {}, slots);
  document.throw_errors();
  std::size_t most = 0;
  for (const auto& layer : slots) most = std::max(most, layer.size());
  return static_cast<std::uint32_t>(most);
}

std::string placement_text(const ExpertPlacement& placement) {
  std::string text = fmt::format("name: {}\nslots:\n", placement.name);
  for (const LayerPlacement& layer : placement.layers) {
    text += fmt::format("  - [{}]\n", fmt::join(layer.slot_expert(), ", "));
  }
  return text;
}

}  // namespace moesim::workloads
