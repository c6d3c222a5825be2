#include "tools/report/topology_layout.h"

#include <doctest/doctest.h>

#include <set>

#include "hardware/cluster.h"

using namespace moesim;
using hardware::VertexKind;

namespace {

struct Placed {
  hardware::Cluster cluster;
  tools::Places places;

  explicit Placed(const std::string& name)
      : cluster(hardware::load_cluster("configs/clusters/" + name + ".yaml")),
        places(tools::places_of(*cluster.topology)) {}
  const tools::Place& of(const std::string& name) const {
    const auto& vertices = cluster.topology->vertices;
    for (std::size_t v = 0; v < vertices.size(); ++v) {
      if (vertices[v].name == name) return places.of[v];
    }
    FAIL("no vertex " << name);
    return places.of[0];
  }
};

}  // namespace

TEST_CASE("a node's switch stood above another node's devices") {
  // Two nodes of eight side by side: their switches over the middle of their own devices.
  const Placed placed("h100-2x8");
  for (int node = 0; node < 2; ++node) {
    const auto device = [&](int gpu) { return placed.of("gpu" + std::to_string(8 * node + gpu)); };
    const auto hub = placed.of("node" + std::to_string(node) + ".switch");
    const auto nic = placed.of("node" + std::to_string(node) + ".nic3");
    CHECK(hub.x == (device(0).x + device(7).x) / 2);
    CHECK(hub.y < nic.y);
    CHECK(nic.y < device(3).y);
    CHECK(nic.x == device(3).x);
    CHECK(placed.of("leaf0.0").y < hub.y);
  }
  CHECK(placed.of("gpu8").x > placed.of("gpu7").x);
  CHECK(placed.of("gpu8").y == placed.of("gpu0").y);
}

TEST_CASE("the 72 devices of a rack are four rows of eighteen") {
  const Placed placed("gb200-nvl72");
  std::set<double> rows;
  double right = 0;
  for (int gpu = 0; gpu < 72; ++gpu) {
    rows.insert(placed.of("gpu" + std::to_string(gpu)).y);
    right = std::max(right, placed.of("gpu" + std::to_string(gpu)).x);
  }
  CHECK(rows.size() == 4);
  CHECK(right == 17.5 * tools::kPlaceStep);
  CHECK(placed.places.width == 18 * tools::kPlaceStep);
}

TEST_CASE("no two parts of a machine are drawn in the same place") {
  for (const std::string name : {"h100-1x8", "h100-16x8-roce", "h100-32x8-fat-tree-2to1",
                                 "gb200-4xnvl72", "h100-2x8-back-to-back", "l40s-1x8-pcie",
                                 "tpu-v3-16x16", "h800-4x8-multi-plane", "h100-1x1"}) {
    CAPTURE(name);
    const Placed placed(name);
    std::set<std::pair<double, double>> taken;
    for (const auto& place : placed.places.of) {
      taken.emplace(place.x, place.y);
      CHECK(place.x > 0);
      CHECK(place.y > 0);
      CHECK(place.x < placed.places.width);
      CHECK(place.y < placed.places.height);
    }
    CHECK(taken.size() == placed.places.of.size());
  }
}

TEST_CASE("a torus is a grid of its rings") {
  const Placed placed("tpu-v3-16x16");
  CHECK(placed.of("gpu15").y == placed.of("gpu0").y);
  CHECK(placed.of("gpu16").x == placed.of("gpu0").x);
  CHECK(placed.of("gpu16").y > placed.of("gpu0").y);
}
