#include "tests/fuzz/target.h"
#include "tools/moesim/network/topology_import.h"
#include "validation/calibrate/import.h"

namespace moesim::fuzz {

// The first byte says whose log the rest is.
void logs(Input input) {
  if (input.empty()) return;
  const std::string_view text = text_of(input.subspan(1));
  std::vector<std::string> notes;
  taken(
      [&] {
        switch (input[0] % 6) {
          case 0:
            validation::import_nccl_tests(text, "a.log", "", 0, &notes);
            break;
          case 1:
            validation::import_nccl_tests(text, "a.log", "all_reduce", 8, &notes);
            break;
          case 2:
            validation::import_perftest(text, "a.log", &notes);
            break;
          case 3:
            validation::import_deepep(text, "a.log", {}, &notes);
            break;
          case 4:
            tools::node_of_nvidia_smi(text, "a.log");
            break;
          default:
            tools::node_of_nccl_xml(text, "a.log");
        }
      },
      "");
}

}  // namespace moesim::fuzz
