#include <fmt/format.h>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "workloads/placement/experts.h"

namespace moesim::workloads {

ExpertPlacement placement_from_file(const std::filesystem::path& file, std::uint32_t experts,
                                    std::uint32_t ranks, std::uint32_t layers) {
  const auto document = sim::io::YamlDocument::load(file);
  const auto root = document.root();
  root.allow_only({"name", "slots"});
  ExpertPlacement placement{file.filename().string(), {}};
  if (const auto name = root.find("name")) placement.name = name->text();
  const auto list = root.at("slots");
  std::vector<std::vector<ExpertId>> slots;
  for (const auto& layer : list.items()) {
    auto& row = slots.emplace_back();
    for (const auto& slot : layer.items()) {
      row.push_back(static_cast<ExpertId>(slot.integer(0, std::int64_t{experts} - 1)));
    }
  }
  if (slots.size() != 1 && slots.size() != layers) {
    list.error(fmt::format("expected a list for each of {} MoE layers, or one for all, not {}",
                           layers, slots.size()));
  }
  document.throw_errors();
  for (std::size_t l = 0; l < slots.size(); ++l) {
    try {
      placement.layers.emplace_back(std::move(slots[l]), experts, ranks);
    } catch (const sim::ConfigError& error) {
      throw sim::ConfigError(fmt::format("{}: slots[{}]: {}", document.name(), l, error.what()));
    }
  }
  return placement;
}

std::string placement_text(const ExpertPlacement& placement) {
  std::string text = fmt::format("name: {}\nslots:\n", placement.name);
  for (const LayerPlacement& layer : placement.layers) {
    text += fmt::format("  - [{}]\n", fmt::join(layer.slot_expert(), ", "));
  }
  return text;
}

}  // namespace moesim::workloads
