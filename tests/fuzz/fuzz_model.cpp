#include "tests/fuzz/target.h"
#include "workloads/model/counts.h"
#include "workloads/model/model_yaml.h"

namespace moesim::fuzz {

void model(Input input) {
  taken([&] { workloads::parse_model_yaml(text_of(input), "m.yaml"); }, "m.yaml");
}

}  // namespace moesim::fuzz
