#include "hardware/network/limiting_links.h"

#include <algorithm>
#include <cstddef>

namespace moesim::hardware {

namespace {

// The links that are up and enter a vertex, or leave it, by the vertex at their other end. Traffic
// does not turn around, so what is asked of a vertex is always without one of its neighbours.
class Around {
 public:
  void add(LinkId link, VertexId neighbour) { links_.push_back({neighbour, link, 0, 0}); }

  void settle(const Topology& topology) {
    std::stable_sort(links_.begin(), links_.end(),
                     [](const One& a, const One& b) { return a.neighbour < b.neighbour; });
    const auto rate = [&](const One& one) {
      return topology.links[one.link].capacity.bytes_per_second();
    };
    double before = 0, after = 0;
    for (auto one = links_.begin(); one != links_.end(); ++one) {
      one->before = before;
      before += rate(*one);
    }
    for (auto one = links_.rbegin(); one != links_.rend(); ++one) {
      one->after = after;
      after += rate(*one);
    }
    all_ = before;
  }

  // Bytes a second of all but those of that neighbour. Nothing is subtracted: what stays of sums
  // of very wide links and narrow ones would be rounding.
  double rate_without(VertexId neighbour) const {
    const auto [first, last] = of(neighbour);
    return first == last ? all_ : first->before + (last - 1)->after;
  }

  template <class Count>
  std::size_t count(VertexId neighbour, Count counts) const {
    const auto [first, last] = of(neighbour);
    return static_cast<std::size_t>(
        std::count_if(first, last, [&](const One& one) { return counts(one.link); }));
  }

 private:
  struct One {
    VertexId neighbour;
    LinkId link;
    double before, after;  // sums of those earlier in the order, and later
  };

  std::pair<std::vector<One>::const_iterator, std::vector<One>::const_iterator> of(
      VertexId neighbour) const {
    struct Order {
      bool operator()(const One& a, VertexId v) const { return a.neighbour < v; }
      bool operator()(VertexId v, const One& a) const { return v < a.neighbour; }
    };
    return std::equal_range(links_.begin(), links_.end(), neighbour, Order{});
  }

  std::vector<One> links_;
  double all_ = 0;
};

}  // namespace

std::vector<bool> links_that_can_limit(const Topology& topology) {
  const auto& links = topology.links;
  std::vector<Around> in(topology.vertices.size()), out(topology.vertices.size());
  for (LinkId l = 0; l < links.size(); ++l) {
    if (!(links[l].capacity > sim::Bandwidth{})) continue;
    in[links[l].to].add(l, links[l].from);
    out[links[l].from].add(l, links[l].to);
  }
  for (Around& around : in) around.settle(topology);
  for (Around& around : out) around.settle(topology);
  const auto forwards = [&](VertexId v) { return topology.vertices[v].kind != VertexKind::Device; };
  const auto enough = [](double all, sim::Bandwidth capacity) {
    return all <= capacity.bytes_per_second() * (1 + 1e-12);
  };
  std::vector<bool> can_limit(links.size(), true);
  // Of each vertex: how many of the links out of it, of those that are up, cannot limit.
  std::vector<std::size_t> excused(topology.vertices.size(), 0);
  const auto excuse = [&](LinkId l) {
    can_limit[l] = false;
    if (links[l].capacity > sim::Bandwidth{}) ++excused[links[l].from];
  };
  // First downstream: a link that its inputs cannot overfill. Then upstream: one whose outputs are
  // together no wider; these must limit themselves, or the two would excuse each other.
  for (LinkId l = 0; l < links.size(); ++l) {
    const auto& [from, to, capacity, latency, kind] = links[l];
    if (forwards(from) && enough(in[from].rate_without(to), capacity)) excuse(l);
  }
  for (LinkId l = 0; l < links.size(); ++l) {
    const auto& [from, to, capacity, latency, kind] = links[l];
    if (!can_limit[l] || !forwards(to)) continue;
    const std::size_t back = out[to].count(from, [&](LinkId o) { return !can_limit[o]; });
    if (excused[to] == back && enough(out[to].rate_without(from), capacity)) excuse(l);
  }
  return can_limit;
}

}  // namespace moesim::hardware
