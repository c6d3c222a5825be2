#include <doctest/doctest.h>

#include <iostream>

#include "sim/error.h"
#include "sim/io/hdf5_file.h"
#include "tests/workloads/routing/trace_files.h"
#include "workloads/routing/gating.h"
#include "workloads/routing/law_fit.h"
#include "workloads/routing/reroute.h"
#include "workloads/routing/resample.h"
#include "workloads/routing/synthetic.h"

using namespace moesim::workloads;
using moesim::sim::ConfigError;
using moesim::tests::Folder;
using Ids = std::vector<ExpertId>;
constexpr ExpertId no = kMissingExpert;

TEST_CASE("a token takes its best experts, with the bias in the choice") {
  const std::vector<float> scores{0.1f, 0.4f, 0.3f, 0.2f};
  CHECK(choose_top_k({1, 4, scores, {}}, 2).ids == Ids{1, 2});
  const std::vector<float> bias{0.5f, 0, 0, 0};
  CHECK(choose_top_k({1, 4, scores, bias}, 2).ids == Ids{0, 1});
  const std::vector<float> equal{1, 1, 1, 1};
  CHECK(choose_top_k({1, 4, equal, {}}, 3).ids == Ids{0, 1, 2});
}

TEST_CASE("groups are chosen by their two best experts") {
  // Groups 0 1 | 2 3 | 4 5 have 0.9 + 0 = 0.9, 0.5 + 0.5 = 1.0, 0.3 + 0.3: the second wins.
  const std::vector<float> scores{0.9f, 0, 0.5f, 0.5f, 0.3f, 0.3f};
  CHECK(choose_in_groups({1, 6, scores, {}}, 2, 3, 1).ids == Ids{2, 3});
  CHECK(choose_in_groups({1, 6, scores, {}}, 2, 3, 2).ids == Ids{0, 2});
}

TEST_CASE("experts choose as many tokens each") {
  // 4 tokens, 2 experts, top-1: each expert takes 2. Expert 0 likes 0 1, expert 1 likes 0 3.
  const std::vector<float> scores{0.9f, 0.9f, 0.8f, 0.1f, 0.1f, 0.2f, 0.2f, 0.8f};
  const auto routing = choose_by_experts({4, 2, scores, {}}, 1, 2);
  CHECK(routing.ids == Ids{0, 1, 0, no, no, no, 1, no});
  CHECK(expert_counts(routing) == std::vector<std::uint32_t>{2, 2});
}

TEST_CASE("capacity drops later tokens and later choices") {
  // 4 tokens, top-2 of 4, all want 0 first and 1 second: capacity 1.0 x 4 x 2 / 4 = 2 each.
  LayerRouting routing{4, 2, 4, {0, 1, 0, 1, 0, 1, 0, 1}};
  CHECK(drop_over_capacity(routing, 1) == 4);
  CHECK(routing.ids == Ids{0, 1, 0, 1, no, no, no, no});
  // A first choice of a later token comes before a second choice of an earlier one.
  routing = {2, 2, 2, {1, 0, 0, 1}};
  CHECK(drop_over_capacity(routing, 0.5) == 2);
  CHECK(routing.ids == Ids{1, no, 0, no});
}

TEST_CASE("the controller moves the bias against the load") {
  std::vector<float> bias{0, 0, 0};
  step_bias(bias, std::vector<std::uint32_t>{9, 6, 3}, 0.5f);  // mean 6
  CHECK(bias == std::vector<float>{-0.5f, 0, 0.5f});
}

TEST_CASE("recorded scores choose what was recorded, and without the bias the loads collapse") {
  const auto folder = moesim::tests::shared_routing();
  if (folder.empty()) {
    std::cout << "SKIPPED: ../shared/data/routing is not there\n";
    return;
  }
  // Its README: 99.55 % of (token, layer) the same; max/mean without the bias 4.7 to 8.0 by layer.
  const auto trace = RoutingTrace::open(folder / "deepseek-like-final-gates.h5");
  const auto same = reroute(trace, {}, "");
  CHECK(same.same > 0.995);
  CHECK(mean_max_over_mean(same.loads) == doctest::Approx(1.71).epsilon(0.01));
  const auto without = reroute(trace, {.recorded_bias = false}, "");
  CHECK(mean_max_over_mean(without.loads) > 4.7);
  CHECK(mean_max_over_mean(without.loads) < 8.0);
  // The controller brings it back, batch by batch.
  const auto controlled =
      reroute(trace, {.recorded_bias = false, .bias_rate = 0.01f, .batch = 1024, .passes = 10}, "");
  CHECK(controlled.max_over_mean.front() > 5);
  CHECK(mean_max_over_mean(controlled.loads) < 2.5);
}

TEST_CASE("rerouting needs scores, and rules that can be kept") {
  const Folder folder;
  moesim::tests::write_trace(folder / "t.h5", 1, 4, 1, {1, 2});
  CHECK_THROWS_WITH_AS(reroute(RoutingTrace::open(folder / "t.h5"), {}, ""),
                       ((folder / "t.h5").string() +
                        ": has no gate scores (/gate_scores), so no other choice can be told")
                           .c_str(),
                       ConfigError);
  moesim::sim::io::Hdf5Writer file(folder / "g.h5");
  file.attribute("format", std::string("moe-routing-trace"));
  file.attribute("version", std::int64_t{1});
  file.attribute("num_experts", std::int64_t{4});
  file.attribute("top_k", std::int64_t{1});
  const std::uint64_t id_row[] = {1, 1}, score_row[] = {1, 4};
  using Stored = moesim::sim::io::Hdf5Writer::Stored;
  file.append(file.create("/expert_ids", Stored::U1, id_row),
              std::span<const std::int32_t>(std::vector<std::int32_t>{2, 0}));
  file.append(
      file.create("/gate_scores", Stored::F4, score_row),
      std::span<const float>(std::vector<float>{0, 0.1f, 0.6f, 0.3f, 0.5f, 0.2f, 0.2f, 0.1f}));
  file.close();
  const auto trace = RoutingTrace::open(folder / "g.h5");
  CHECK(reroute(trace, {.top_k = 2}, folder / "two.h5").selections == 4);
  Ids ids;
  RoutingTrace::open(folder / "two.h5").read_ids(0, 2, ids);
  CHECK(ids == Ids{2, 3, 0, 1});
  CHECK_THROWS_WITH_AS(reroute(trace, {.top_k = 5}, ""),
                       "5 of 4 experts, in 1 of 1 groups: that cannot be chosen", ConfigError);
}

TEST_CASE("the law that made a trace is the one that fits it") {
  const Folder folder;
  for (const auto& made : {std::pair{Law::Zipf, 0.7}, {Law::LogNormal, 0.6}}) {
    const Law law = made.first;
    const double skew = made.second;
    CAPTURE(name_of(law));
    write_synthetic_trace(
        folder / "t.h5", {.law = {.law = law, .skew = skew, .layers = 8, .experts = 64, .top_k = 4},
                          .requests = 64,
                          .tokens_per_request = 256});
    const auto trace = RoutingTrace::open(folder / "t.h5");
    const auto fits = fit_laws(read_loads(trace, 0, trace.info().tokens), 4, 64 * 256);
    CHECK(fits[0].law == law);
    CHECK(fits[0].skew == doctest::Approx(skew).epsilon(0.1));
    CHECK(fits[0].explained > 0.85);  // 8 layers of 64 draws: the extremes of each differ
  }
}

TEST_CASE("expected loads have a mean of 1 and the law's greatest") {
  // Zipf, skew 1, 4 experts, top-1: 1 1/2 1/3 1/4 of a sum of 25/12: 4 x 12/25 = 1.92 for the
  // first.
  const auto loads = expected_loads(Law::Zipf, 1, 4, 1, 100);
  CHECK(loads[3] == doctest::Approx(1.92));
  CHECK(loads[0] + loads[1] + loads[2] + loads[3] == doctest::Approx(4));
  // Log-normal: symmetric in the logarithm: the median of three is exp(0) over the mean.
  const auto normal = expected_loads(Law::LogNormal, 1, 3, 1, 100);
  CHECK(normal[0] * normal[2] == doctest::Approx(normal[1] * normal[1]));
}

TEST_CASE("resampling keeps requests whole and follows the mix") {
  const Folder folder;
  write_synthetic_trace(folder / "t.h5",
                        {.law = {.law = Law::Zipf, .layers = 2, .experts = 16, .top_k = 2},
                         .requests = 20,
                         .tokens_per_request = 10,
                         .domains = 2,
                         .domain_share = 0.5});
  const auto trace = RoutingTrace::open(folder / "t.h5");
  CHECK(resample(trace, {.tokens = 1005, .mix = {{"domain-1", 3.0}, {"domain-0", 1.0}}},
                 folder / "r.h5") == 101);
  const auto again = RoutingTrace::open(folder / "r.h5");
  CHECK(again.info().tokens == 1005);
  std::vector<std::uint32_t> domains, positions;
  again.read_column(TokenColumn::Domain, 0, 1005, domains);
  again.read_column(TokenColumn::Position, 0, 1005, positions);
  double share = 0;
  for (std::size_t i = 0; i < 1005; ++i) {
    share += domains[i] / 1005.0;
    REQUIRE(positions[i] == i % 10);
  }
  CHECK(share == doctest::Approx(0.75).epsilon(0.2));  // 101 draws: standard deviation 0.043
  write_counts(folder / "c.h5",
               {.header = {.layers = 1, .experts = 2, .top_k = 1}, .counts = {1, 2}});
  CHECK_THROWS_WITH_AS(
      resample(RoutingTrace::open(folder / "c.h5"), {.tokens = 5}, folder / "x.h5"),
      ((folder / "c.h5").string() + ": holds counts; only tokens can be drawn again").c_str(),
      ConfigError);
}
