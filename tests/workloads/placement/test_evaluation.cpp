#include <doctest/doctest.h>

#include "workloads/placement/evaluation.h"

using namespace moesim::workloads;

namespace {

// One layer whose routing is given.
class Given final : public RoutingSource {
 public:
  explicit Given(LayerRouting routing) : routing_(std::move(routing)) {}
  std::uint32_t layers() const override { return 1; }
  std::uint32_t experts() const override { return routing_.experts; }
  std::uint32_t top_k() const override { return routing_.top_k; }
  std::uint32_t tokens_per_step() const override { return routing_.tokens; }
  void route(const RoutingRange&, LayerRouting& out) override { out = routing_; }
  std::string description() const override { return "given"; }

 private:
  LayerRouting routing_;
};

}  // namespace

TEST_CASE("copies over NVLink and the network, worked by hand") {
  // 2 nodes of 2 ranks, one expert and one token each, top-2:
  //   rank 0: experts 1 and 3: NVLink to rank 1; network to rank 2 (its place in node 1), NVLink to
  //   3 rank 1: experts 0 and 1: NVLink to rank 0 rank 2: experts 2 and 0: itself; network to rank
  //   0, which is where it goes rank 3: experts 0 and 1: one network copy to rank 1, which keeps it
  //   and passes one to rank 0
  Given source({4, 2, 4, {1, 3, 0, 1, 2, 0, 0, 1}});
  const auto score = evaluate(linear_placement({4, 0, 4}), source, even_sources(4, 1, 2), {0, 2});
  CHECK(score.network_copies == 3);
  CHECK(score.nvlink_copies == 4);
  // Rows: rank 0 has 3, rank 1 3, rank 2 1, rank 3 1 of a mean of 2.
  CHECK(score.rank_max_over_mean == 1.5);
  CHECK(score.busiest_rows == std::vector<double>{3});
  // Network ports: one copy each way at most. NVLink: rank 0 gets two (from 1, and passed on by 1),
  // and rank 1 sends two.
  CHECK(score.busiest_network == 1);
  CHECK(score.busiest_nvlink == 2);
  // Nodes: 2, 1, 2, 1 of four tokens; ranks: two each.
  CHECK(score.nodes_per_token == 1.5);
  CHECK(score.ranks_per_token == 2);
}

TEST_CASE("weights move from a rank of the own node where one has them") {
  // 2 nodes of 2 ranks, 4 experts. Experts 0 and 1 change places (on node 0: NVLink), and so do 2
  // and 3; in the second case 1 and 2 do (between the nodes).
  const auto sources = even_sources(4, 1, 2);
  const ExpertPlacement before{"a", {LayerPlacement({0, 1, 2, 3}, 4, 4)}};
  auto moves = weight_moves(before, {"b", {LayerPlacement({1, 0, 2, 3}, 4, 4)}}, 1, sources);
  CHECK(moves.total == 2);
  CHECK(moves.over_network == 0);
  CHECK(moves.busiest_nvlink == 1);
  moves = weight_moves(before, {"c", {LayerPlacement({0, 2, 1, 3}, 4, 4)}}, 3, sources);
  CHECK(moves.total == 6);  // in each of 3 layers
  CHECK(moves.over_network == 6);
  CHECK(moves.busiest_network == 3);
  CHECK(weight_moves(before, before, 1, sources).total == 0);
}

TEST_CASE("a rank that keeps an expert fetches nothing, wherever the slot") {
  const ExpertPlacement before{"a", {LayerPlacement({0, 1, 2, 3}, 4, 2)}};
  const ExpertPlacement after{"b", {LayerPlacement({1, 0, 3, 2}, 4, 2)}};
  CHECK(weight_moves(before, after, 1, even_sources(2, 1)).total == 0);
}
