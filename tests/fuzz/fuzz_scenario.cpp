#include <nlohmann/json.hpp>

#include "sim/io/json.h"
#include "sim/io/yaml_reader.h"
#include "tests/fuzz/target.h"
#include "workloads/scenario.h"

namespace moesim::fuzz {

// Models and clusters are those that ship: run in the root of the source tree.
void scenario(Input input) {
  taken(
      [&] {
        auto document = sim::io::YamlDocument::parse(text_of(input), "s.yaml");
        const workloads::Scenario scenario = workloads::read_scenario(document.root());
        sim::io::to_text(workloads::resolved(scenario));
      },
      "");
}

}  // namespace moesim::fuzz
