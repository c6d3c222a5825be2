#include <fmt/format.h>

#include "workloads/deployment/engine.h"

namespace moesim::workloads {
namespace {

template <typename Enum, std::size_t N>
std::string named(const char* key, const std::array<std::string_view, N>& names, Enum value) {
  return fmt::format("{} {}", key, names[static_cast<std::size_t>(value)]);
}

// A step quantises before each product. How it adds up, and whether tokens are sent, follows from
// the layout alone (workloads/step/README.md).
std::string not_played(const Composition& composition) {
  std::vector<std::string> parts;
  if (composition.quantisation && *composition.quantisation != Quantisation::PerProduct) {
    parts.push_back(named("quantisation", kQuantisationNames, *composition.quantisation) +
                    " (played: per_product)");
  }
  if (composition.tensor_parallel) {
    parts.push_back(named("tensor_parallel", kTensorParallelNames, *composition.tensor_parallel) +
                    " (played: as the layout has it)");
  }
  if (composition.experts_in_tensor_group) {
    parts.push_back(named("experts_in_tensor_group", kExpertsInTensorGroupNames,
                          *composition.experts_in_tensor_group) +
                    " (played: as the layout has it)");
  }
  if (!composition.moe.empty()) parts.push_back("moe by tokens (played: kernels.moe)");
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

std::vector<std::string> notes_of(const Engine& engine) {
  std::vector<std::string> notes;
  const auto note = [&](const std::string& what) {
    notes.push_back(fmt::format("engine file {}: its {}", engine.file.stem().string(), what));
  };
  if (const std::string parts = not_played(engine.composition); !parts.empty()) {
    note("composition is not played by a step: " + parts);
  }
  if (engine.graphs) note("graphs are not played by a step: no batch is padded to their sizes");
  if (engine.memory) note("memory is not played by a step: its plan takes what the step needs");
  if (engine.scheduler) note("scheduler is not played by a step");
  return notes;
}

}  // namespace moesim::workloads
