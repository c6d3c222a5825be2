#include "tests/fuzz/target.h"
#include "workloads/model/hugging_face/hugging_face.h"

namespace moesim::fuzz {

void hugging_face(Input input) {
  taken([&] { workloads::parse_hugging_face(text_of(input), "config.json"); }, "config");
}

}  // namespace moesim::fuzz
