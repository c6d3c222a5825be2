#include "workloads/deployment/engine.h"

#include "sim/io/yaml_reader.h"

namespace moesim::workloads {

std::int64_t read_dispatch_tokens(const sim::io::YamlNode& node) {
  return node.integer(1, kHighestDispatchTokens);
}

Engine load_engine(const std::filesystem::path& file) {
  const auto document = sim::io::YamlDocument::load(file);
  const auto root = document.root();
  root.allow_only({"name", "source", "kernels", "composition", "host", "graphs", "memory",
                   "scheduler", "rules", "elastic", "dispatch_tokens", "by_card"});
  Engine engine;
  engine.name = root.at("name").text();
  engine.source = root.at("source").text();
  engine.file = file;
  engine.host.engine = engine.name;
  engine.host.source = engine.source;
  if (const auto part = root.find("kernels")) engine.kernels = EngineKernels::read(*part);
  if (const auto part = root.find("composition"))
    read_compositions(*part, engine.composition, engine.composition_of);
  if (const auto part = root.find("host")) read_host(*part, engine.host);
  if (const auto part = root.find("graphs")) engine.graphs = read_captured_graphs(*part);
  if (const auto part = root.find("by_card")) engine.by_card = read_card_defaults(*part);
  if (const auto part = root.find("memory")) engine.memory = read_engine_memory(*part);
  if (const auto part = root.find("scheduler")) engine.scheduler = read_engine_scheduler(*part);
  if (const auto part = root.find("rules")) engine.rules = read_layout_rules(*part);
  if (const auto part = root.find("elastic")) engine.elastic = part->boolean();
  if (const auto part = root.find("dispatch_tokens"))
    engine.dispatch_tokens = read_dispatch_tokens(*part);
  document.throw_errors();
  return engine;
}

}  // namespace moesim::workloads
