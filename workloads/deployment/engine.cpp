#include "workloads/deployment/engine.h"

#include "sim/io/yaml_reader.h"

namespace moesim::workloads {

Engine load_engine(const std::filesystem::path& file) {
  const auto document = sim::io::YamlDocument::load(file);
  const auto root = document.root();
  root.allow_only({"name", "source", "kernels", "host"});
  Engine engine;
  engine.name = root.at("name").text();
  engine.source = root.at("source").text();
  if (const auto kernels = root.find("kernels")) read_kernels(*kernels, engine.kernels);
  engine.host.engine = engine.name;
  engine.host.source = engine.source;
  if (const auto host = root.find("host")) read_host(*host, engine.host);
  document.throw_errors();
  return engine;
}

}  // namespace moesim::workloads
