#include <fmt/format.h>

#include "workloads/deployment/engine.h"

namespace moesim::workloads {

std::vector<std::string> notes_of(const Engine& engine) {
  std::vector<std::string> notes;
  const auto note = [&](const std::string& what) {
    notes.push_back(fmt::format("engine file {}: its {}", engine.file.stem().string(), what));
  };
  if (!engine.composition.moe.empty()) {
    note("composition is not played by a step: moe by tokens (played: kernels.moe)");
  }
  if (engine.graphs) note("graphs are not played by a step: no batch is padded to their sizes");
  if (engine.memory) note("memory is not played by a step: its plan takes what the step needs");
  if (engine.scheduler) note("scheduler is not played by a step");
  return notes;
}

}  // namespace moesim::workloads
