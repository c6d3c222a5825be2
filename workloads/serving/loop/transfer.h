// Caches on their way from where prompts are read to where tokens are generated.
//
//   time = setup + post x descriptors + bytes / rate
//
// A descriptor is a run of neighbouring blocks of one layer (of keys, and of values where they are
// apart). Transfers of one sender, or to one receiver, share its links fairly (max-min); posting
// goes on beside the bytes of others. Sources: workloads/serving/README.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "sim/units.h"

namespace moesim::workloads::serving {

// pull: decode reads once the prompt is done, and computes its last token again: the client's first
// token is decode's first. push: the first token comes with the cache.
enum class TransferMode { Pull, Push };
inline constexpr std::array<std::string_view, 2> kTransferModeNames{"pull", "push"};

struct TransferRules {
  TransferMode mode = TransferMode::Pull;
  sim::Duration setup{};
  sim::Duration post{};                    // a descriptor
  double bytes_per_token = 0;              // that cross the network, of one dp rank's sequence
  std::int64_t descriptors_per_block = 1;  // layers, twice where keys and values are apart
  std::int64_t block = 16;
  sim::Bandwidth sender{}, receiver{};  // of a replica, all its ports together
  bool layerwise = false;               // each layer is sent when it is computed
  std::int64_t layers = 1;
};

class Transfers {
 public:
  explicit Transfers(const TransferRules& rules) : rules_(rules) {}

  // `computing`: how long the prompt's last pass took, behind which a layer-by-layer transfer hides
  // all but the last layer.
  void start(std::int64_t id, std::int64_t from, std::int64_t to, std::int64_t tokens,
             sim::Time now, sim::Duration computing);
  std::optional<sim::Time> next_end() const;
  // Those that are done now, in the order in which they began. REQUIRES: now == next_end()
  std::vector<std::int64_t> end(sim::Time now);
  bool empty() const { return flows_.empty(); }

 private:
  struct Flow {
    std::int64_t id = 0, from = 0, to = 0;
    sim::Time begins{};  // its bytes: setup and posting are over
    double left = 0;     // bytes
    double rate = 0;     // bytes a second
    sim::Time ends = sim::Time::max();
  };
  void share(sim::Time now);

  TransferRules rules_;
  std::vector<Flow> flows_;
  sim::Time updated_{};
};

}  // namespace moesim::workloads::serving
