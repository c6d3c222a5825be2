#include <nlohmann/json.hpp>

#include "sim/check.h"
#include "sim/io/json.h"
#include "tests/fuzz/target.h"

namespace moesim::fuzz {

void json(Input input) {
  taken(
      [&] {
        const sim::io::Json value = sim::io::parse_json(text_of(input), "x.json");
        const std::string text = sim::io::to_text(value);
        const sim::io::Json again = sim::io::parse_json(text, "again");
        SIM_CHECK(value == again, "what is written is read back the same");
        SIM_CHECK(sim::io::to_text(again) == text, "and is written the same");
      },
      "x.json");
}

}  // namespace moesim::fuzz
