#include <nlohmann/json.hpp>

#include "sim/io/json.h"
#include "sim/io/yaml_reader.h"
#include "tests/fuzz/target.h"
#include "workloads/deployment/engine.h"
#include "workloads/memory/request.h"

namespace moesim::fuzz {

// An engine's file.
void engine(Input input) {
  const InputFile file(input);
  taken([&] { workloads::notes_of(workloads::load_engine(file.path())); },
        file.path().filename().string());
}

// A question of memory; models and devices are those that ship: run in the root of the source tree.
void memory(Input input) {
  taken(
      [&] {
        auto document = sim::io::YamlDocument::parse(text_of(input), "m.yaml");
        const auto request = workloads::read_memory_request(document.root());
        document.throw_errors();
        sim::io::to_text(workloads::answer(request));
      },
      "");
}

}  // namespace moesim::fuzz
