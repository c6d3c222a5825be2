#include "hardware/cluster.h"
#include "tests/fuzz/target.h"

namespace moesim::fuzz {

// Devices are those that ship: run in the root of the source tree.
void cluster(Input input) {
  taken(
      [&] {
        const hardware::Cluster cluster =
            hardware::parse_cluster(std::string(text_of(input)), "configs/clusters");
        cluster.ranks();
      },
      "");
}

}  // namespace moesim::fuzz
