// Rates kept up for flows that end against progressive filling from the beginning.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "sim/fair_links.h"
#include "sim/max_min.h"
#include "sim/random.h"

using namespace moesim::sim;

TEST_CASE("filling that goes on from what was kept gives what filling from the beginning gives") {
  // 40 ports each way, a flow between any two, every third over one more link that they share: 82
  // links and 1,560 flows, so that a computation visits more than eight flows a link and keeps what
  // was left on its way. The first 300 flows end one by one.
  constexpr std::uint32_t kPorts = 40;
  constexpr int kEnds = 300;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    Random random(seed, "fair links");
    FairLinks links;
    std::vector<Bandwidth> capacities;
    std::vector<FairLinks::Link> link_of;
    const auto add = [&](Bandwidth capacity) {
      capacities.push_back(capacity);
      link_of.push_back(links.add_link(capacity));
    };
    for (std::uint32_t p = 0; p < 2 * kPorts; ++p) {
      add(Bandwidth(1e9 * (1 + static_cast<double>(random.below(9)))));
    }
    add(Bandwidth(4e10));
    std::vector<FlowPath> paths;
    std::vector<FairLinks::FlowId> ids;
    std::vector<double> left;
    for (std::uint32_t s = 0; s < kPorts; ++s) {
      for (std::uint32_t d = 0; d < kPorts; ++d) {
        if (s == d) continue;
        FlowPath path{.links = {s, kPorts + d}};
        if (paths.size() % 3 == 0) path.links.push_back(2 * kPorts);
        std::vector<FairLinks::Link> over;
        for (const std::uint32_t link : path.links) over.push_back(link_of[link]);
        left.push_back(1e6 * (1 + random.uniform()));
        ids.push_back(links.start(left.back(), over));
        paths.push_back(path);
      }
    }
    for (int i = 0; i < kEnds; ++i) {
      links.compute_rates();
      const double next = links.next_end();
      const auto rates = max_min_rates(capacities, paths);
      double plainly = 1;
      for (std::size_t f = 0; f < left.size(); ++f) {
        plainly = std::min(plainly, left[f] / rates[f].bytes_per_second());
      }
      CHECK(next == doctest::Approx(plainly).epsilon(1e-9));
      std::vector<FairLinks::Ending> ending;
      links.take_ending(next, ending);
      REQUIRE(ending.size() == 1);
      links.serve(next);
      for (std::size_t f = 0; f < left.size(); ++f) left[f] -= rates[f].bytes_per_second() * next;
      const auto at = std::find(ids.begin(), ids.end(), ending[0].flow) - ids.begin();
      CHECK(left[static_cast<std::size_t>(at)] < 1);
      links.end(ending[0].flow);
      ids.erase(ids.begin() + at);
      paths.erase(paths.begin() + at);
      left.erase(left.begin() + at);
    }
    // From the beginning each would visit all.
    CHECK(links.work().computations == kEnds);
    CHECK(links.work().flows_touched < kEnds * ids.size() * 9 / 10);
  }
}
