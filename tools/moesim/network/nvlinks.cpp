#include <fmt/format.h>

#include "sim/error.h"
#include "tools/moesim/network/topology_import.h"

namespace moesim::tools {

void count_nvlinks(ImportedNode& node, std::int64_t of_device, const std::string& name) {
  if (node.pair_nvlinks > 0) {
    const std::int64_t all = node.pair_nvlinks * (node.gpus - 1);
    node.direct = of_device > 0 && node.pair_nvlinks < of_device && all <= of_device;
    node.nvlinks = node.direct ? all : node.pair_nvlinks;
  }
  if (of_device > 0 && node.nvlinks > of_device) {
    throw sim::InputError(fmt::format(
        "{}: {} NVLinks of a GPU, but the device has {}: --device NAME, of one that has "
        "as many",
        name, node.nvlinks, of_device));
  }
}

}  // namespace moesim::tools
