#include "workloads/serving/loop/transfer.h"

#include <algorithm>
#include <map>

namespace moesim::workloads::serving {

void Transfers::start(std::int64_t id, std::int64_t from, std::int64_t to, std::int64_t tokens,
                      sim::Time now, sim::Duration computing) {
  Flow flow{.id = id, .from = from, .to = to};
  const std::int64_t blocks = (tokens + rules_.block - 1) / rules_.block;
  const double bytes = rules_.bytes_per_token * static_cast<double>(tokens);
  sim::Duration posting = rules_.post * (blocks * rules_.descriptors_per_block);
  flow.left = bytes;
  if (rules_.layerwise) {
    // What the computing of the other layers did not hide: at the link's full rate, as if alone.
    const double others =
        static_cast<double>(rules_.layers - 1) / static_cast<double>(rules_.layers);
    const double rate =
        std::min(rules_.sender.bytes_per_second(), rules_.receiver.bytes_per_second());
    const double hidden = std::min(bytes * others, sim::to_seconds(computing) * others * rate);
    flow.left = bytes - hidden;
    posting = posting / rules_.layers;
  }
  flow.begins = now + rules_.setup + posting;
  flows_.push_back(flow);
  share(now);
}

std::optional<sim::Time> Transfers::next_end() const {
  std::optional<sim::Time> first;
  for (const Flow& flow : flows_) {
    // Where bytes begin, the shares change.
    const sim::Time next = flow.rate == 0 ? flow.begins : flow.ends;
    if (!first || next < *first) first = next;
  }
  return first;
}

std::vector<std::int64_t> Transfers::end(sim::Time now) {
  std::vector<std::int64_t> done;
  std::erase_if(flows_, [&](const Flow& flow) {
    const bool over = flow.rate > 0 && flow.ends <= now;
    if (over) done.push_back(flow.id);
    return over;
  });
  share(now);
  return done;
}

Transfers::PortLoad Transfers::at(std::int64_t Flow::*side, std::int64_t first,
                                  std::int64_t end) const {
  std::map<std::int64_t, std::int64_t> flows;
  PortLoad load;
  for (const Flow& flow : flows_) {
    if (flow.rate == 0 || flow.*side < first || flow.*side >= end) continue;
    load.most = std::max(load.most, ++flows[flow.*side]);
    load.until = std::max(load.until, flow.ends);
  }
  return load;
}
Transfers::PortLoad Transfers::from(std::int64_t first, std::int64_t end) const {
  return at(&Flow::from, first, end);
}
Transfers::PortLoad Transfers::to(std::int64_t first, std::int64_t end) const {
  return at(&Flow::to, first, end);
}

// Progressive filling over senders and receivers: the port with the least for each of its flows
// fills up first.
void Transfers::share(sim::Time now) {
  const double passed = sim::to_seconds(now - updated_);
  updated_ = now;
  struct Port {
    double room = 0;
    std::int64_t flows = 0;
  };
  std::map<std::pair<int, std::int64_t>, Port> ports;
  std::vector<Flow*> open;
  for (Flow& flow : flows_) {
    flow.left = std::max(0.0, flow.left - flow.rate * passed);
    if (flow.begins > now) continue;
    flow.rate = 0;
    open.push_back(&flow);
    ++ports[{0, flow.from}].flows;
    ++ports[{1, flow.to}].flows;
  }
  for (auto& [key, port] : ports) {
    const bool sends = key.first == 0;
    const PortTraffic& traffic = sends ? rules_.sender_traffic : rules_.receiver_traffic;
    port.room = (sends ? rules_.sender : rules_.receiver).bytes_per_second() *
                traffic.left_to(static_cast<double>(port.flows));
  }
  while (!open.empty()) {
    auto tightest = ports.end();
    for (auto port = ports.begin(); port != ports.end(); ++port) {
      if (port->second.flows == 0) continue;
      if (tightest == ports.end() ||
          port->second.room / static_cast<double>(port->second.flows) <
              tightest->second.room / static_cast<double>(tightest->second.flows)) {
        tightest = port;
      }
    }
    const double rate = tightest->second.room / static_cast<double>(tightest->second.flows);
    const auto key = tightest->first;
    std::erase_if(open, [&](Flow* flow) {
      if ((key.first == 0 ? flow->from : flow->to) != key.second) return false;
      flow->rate = rate;
      const auto bytes = sim::Bytes(static_cast<std::int64_t>(flow->left));
      flow->ends = now + bytes / sim::Bandwidth(rate);
      for (Port* port : {&ports[{0, flow->from}], &ports[{1, flow->to}]}) {
        port->room = std::max(0.0, port->room - rate);
        --port->flows;
      }
      return true;
    });
  }
}

}  // namespace moesim::workloads::serving
