// Caches on their way from where prompts are read to where tokens are generated.
//
//   time = setup + post x descriptors + bytes / rate
//
// A descriptor is a run of neighbouring blocks of one layer (of keys, and of values where they are
// apart). Transfers of one sender, or to one receiver, share its links fairly (max-min), also with
// the exchanges of the engine at that end; posting goes on beside the bytes of others. Sources:
// workloads/serving/README.md.
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

// What an engine's own exchanges take of a port: it keeps them the part `duty` of an iteration,
// with `flows` at once, and computes in between. While n transfers share the port, max-min by flow,
// an exchange takes (flows + n) / flows times as long, and the transfers n / (flows + n) of the
// port until it is done; the rest of the time they have all of it.
struct PortTraffic {
  double duty = 0, flows = 0;

  // Of the port, over whole iterations, all n together: the bytes of both over the longer
  // iteration.
  double left_to(double n) const {
    if (flows <= 0) return 1;
    return ((1 - duty) * flows + duty * n) / (flows + duty * n);
  }
  // Of an iteration, while they are there.
  double stretched_by(double n) const { return flows > 0 ? 1 + duty * n / flows : 1; }
};

struct TransferRules {
  TransferMode mode = TransferMode::Pull;
  sim::Duration setup{};
  sim::Duration post{};                    // a descriptor
  double bytes_per_token = 0;              // that cross the network, of one dp rank's sequence
  std::int64_t descriptors_per_block = 1;  // layers, twice where keys and values are apart
  std::int64_t block = 16;
  sim::Bandwidth sender{}, receiver{};  // of a dp rank, all its ports together
  PortTraffic sender_traffic = {}, receiver_traffic = {};
  bool layerwise = false;  // each layer is sent when it is computed
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
  // At the ports [first, end) at this time: the most that send from one of them, or to one, and
  // when the last of all ends, as they share now.
  struct PortLoad {
    std::int64_t most = 0;
    sim::Time until{};
  };
  PortLoad from(std::int64_t first, std::int64_t end) const;
  PortLoad to(std::int64_t first, std::int64_t end) const;

 private:
  struct Flow {
    std::int64_t id = 0, from = 0, to = 0;
    sim::Time begins{};  // its bytes: setup and posting are over
    double left = 0;     // bytes
    double rate = 0;     // bytes a second
    sim::Time ends = sim::Time::max();
  };
  void share(sim::Time now);
  PortLoad at(std::int64_t Flow::*side, std::int64_t first, std::int64_t end) const;

  TransferRules rules_;
  std::vector<Flow> flows_;
  sim::Time updated_{};
};

}  // namespace moesim::workloads::serving
