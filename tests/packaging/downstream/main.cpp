// A program of somebody else: it reads a value from YAML and asks how long the bytes take.
#include <cstdio>

#include "hardware/precision.h"
#include "sim/io/yaml_reader.h"
#include "sim/units.h"
#include "sim/units_text.h"

int main() {
  using namespace moesim::sim::literals;
  auto document = moesim::sim::io::YamlDocument::parse("link: 400 Gbit/s", "inline");
  const auto bandwidth = document.root().at("link").bandwidth();
  document.throw_errors();
  const moesim::sim::Duration time = 1_GB / bandwidth;
  std::printf("1 GB at 400 Gbit/s: %s\n", moesim::sim::to_text(time).c_str());
}
