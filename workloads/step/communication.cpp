#include "workloads/step/communication.h"

#include <cmath>

namespace moesim::workloads {

struct Communication::Choice {
  const hardware::Cluster& cluster;
  std::string all_to_all;
  hardware::Precision dispatch, combine;
};

Communication::Communication(const hardware::Cluster& cluster, std::string all_to_all,
                             hardware::Precision dispatch, hardware::Precision combine)
    : choice_(new Choice{cluster, all_to_all, dispatch, combine}) {}
Communication::~Communication() = default;

namespace {
sim::Exchange ring(std::span<const Rank> ranks, sim::Bytes bytes, int times) {
  sim::Exchange e;
  e.participants.assign(ranks.begin(), ranks.end());
  const auto n = static_cast<std::int64_t>(ranks.size());
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    e.transfers.push_back(
        {ranks[i], ranks[(i + 1) % ranks.size()], sim::Bytes(bytes.count() * (n - 1) / n * times)});
  }
  e.startup = sim::Duration(8'000'000);
  return e;
}
}  // namespace
sim::Exchange Communication::all_reduce(std::span<const Rank> r, sim::Bytes b) const {
  return ring(r, b, 2);
}
sim::Exchange Communication::all_gather(std::span<const Rank> r, sim::Bytes b) const {
  return ring(r, b, 1);
}
sim::Exchange Communication::reduce_scatter(std::span<const Rank> r, sim::Bytes b) const {
  return ring(r, b, 1);
}
sim::Exchange Communication::send(Rank s, Rank d, sim::Bytes bytes) const {
  sim::Exchange e;
  e.participants = {s, d};
  e.transfers.push_back({s, d, bytes});
  return e;
}
TokenExchange Communication::tokens(std::span<const Rank> group, const DispatchCounts& c,
                                    const MoeFfn&, std::int64_t width) const {
  TokenExchange t;
  t.dispatch.participants.assign(group.begin(), group.end());
  t.combine.participants = t.dispatch.participants;
  t.dispatch.startup = t.combine.startup = sim::Duration(10'000'000);
  const auto n = group.size();
  for (std::size_t s = 0; s < n; ++s) {
    for (std::size_t d = 0; d < n; ++d) {
      const std::int64_t rows = c.tokens[s * n + d];
      if (rows == 0) continue;
      t.dispatch.transfers.push_back({group[s], group[d], sim::Bytes(rows * width * 1)});
      t.combine.transfers.push_back({group[d], group[s], sim::Bytes(rows * width * 2)});
    }
  }
  return t;
}
DispatchWanted Communication::wanted() const {
  return {.selections = false, .tokens = true, .node_tokens = false};
}
bool Communication::delivers_sorted() const {
  return choice_->all_to_all.starts_with("deepep");
}
double Communication::sm_share_beside() const {
  return 1;
}

}  // namespace moesim::workloads
