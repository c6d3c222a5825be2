#include <doctest/doctest.h>

#include <cmath>
#include <utility>

#include "tests/workloads/routing/trace_files.h"
#include "workloads/routing/statistics/analysis.h"
#include "workloads/routing/statistics/load_statistics.h"
#include "workloads/routing/statistics/repeat_counter.h"
#include "workloads/routing/trace/synthetic.h"

using namespace moesim::workloads;
using moesim::tests::Folder;
using Loads = std::vector<std::uint64_t>;
using Ids = std::vector<ExpertId>;

TEST_CASE("four experts with loads 0 1 3 4") {
  // Gini: (-3x0 - 1x1 + 1x3 + 3x4) / (4 x 8) = 14/32. A tenth of the mean is 0.2: the dead one.
  CHECK(gini(Loads{4, 0, 3, 1}) == 14.0 / 32);
  CHECK(starved_experts(Loads{4, 0, 3, 1}) == 1);
  CHECK(gini(Loads{5, 5, 5}) == 0);
  CHECK(gini(Loads{0, 9, 0}) == doctest::Approx(2.0 / 3));  // (n - 1) / n
  CHECK(starved_experts(Loads{100, 100, 4, 0}) == 2);       // a tenth of the mean is 5.1
}

TEST_CASE("loads that share no expert lie 1 apart, proportional ones 0") {
  CHECK(js_distance(Loads{1, 1, 0, 0}, Loads{0, 0, 7, 3}) == doctest::Approx(1));
  CHECK(js_distance(Loads{1, 2, 3}, Loads{10, 20, 30}) == doctest::Approx(0));
  // p = (1, 0), q = (1/2, 1/2), m = (3/4, 1/4): (log2 4/3 + (log2 2/3 + log2 2) / 2) / 2 = 0.31128.
  CHECK(js_distance(Loads{1, 0}, Loads{1, 1}) == doctest::Approx(std::sqrt(0.3112781)));
}

TEST_CASE("repetition counts consecutive tokens of one request") {
  // Top-2 of 8, one layer. Request 1: {0 1} {1 2} {3 4}; request 2: {3 4}, not consecutive with it.
  // Pairs 2: shared 1 + 0 of 4; any 1 of 2; the first choices differ.
  RepeatCounter counter(1, 8, 2);
  const Ids ids{0, 1, 1, 2, 3, 4, 3, 4};
  const std::vector<std::uint32_t> requests{1, 1, 1, 2}, positions{0, 1, 2, 0};
  counter.add(ids, requests, positions);
  CHECK(counter.pairs() == 2);
  CHECK(counter.rate(0) == 0.25);
  CHECK(counter.any(0) == 0.5);
  CHECK(counter.first(0) == 0);
}

TEST_CASE("repetition is the same when requests are interleaved, and in pieces") {
  // Requests 1 and 2 take turns: {0 1} {5 6} {1 2} {5 7} {3 4} {6 5}.
  // Request 1 shares 1 + 0, request 2 shares 1 + 1 of 8; the first choice repeats once (5 5).
  const Ids ids{0, 1, 5, 6, 1, 2, 5, 7, 3, 4, 6, 5};
  const std::vector<std::uint32_t> requests{1, 2, 1, 2, 1, 2}, positions{4, 0, 5, 1, 6, 2};
  for (const std::size_t cut : {0u, 1u, 3u, 6u}) {
    CAPTURE(cut);
    RepeatCounter counter(1, 8, 2);
    const auto part = [&](std::size_t from, std::size_t to) {
      counter.add(std::span(ids).subspan(2 * from, 2 * (to - from)),
                  std::span(requests).subspan(from, to - from),
                  std::span(positions).subspan(from, to - from));
    };
    part(0, cut);
    part(cut, 6);
    CHECK(counter.pairs() == 4);
    CHECK(counter.rate(0) == 3.0 / 8);
    CHECK(counter.first(0) == 0.25);
  }
}

TEST_CASE("a missing choice repeats nothing") {
  RepeatCounter counter(1, 4, 2);
  counter.add(Ids{0, kMissingExpert, kMissingExpert, 0, kMissingExpert, kMissingExpert}, {}, {});
  // The second token has one recorded choice, which the first made too; the third has none.
  CHECK(counter.rate(0) == 1);
  CHECK(counter.any(0) == 1);
  CHECK(counter.first(0) == 0);
}

TEST_CASE("pairs, links and coverage of a trace that can be counted by hand") {
  // 2 layers, top-2 of 4, 4 tokens. Layer 0: {0 1} {0 1} {2 3} {0 2}; layer 1 = layer 0 with the
  // experts renamed e -> 3 - e, so the first choice there follows from the first here.
  const Folder folder;
  Ids ids;
  for (const auto& [a, b] : {std::pair{0, 1}, {0, 1}, {2, 3}, {0, 2}}) {
    for (const int id : {a, b, 3 - a, 3 - b}) ids.push_back(static_cast<ExpertId>(id));
  }
  moesim::tests::write_trace(folder / "t.h5", 2, 4, 2, ids);
  const auto found = analyse(RoutingTrace::open(folder / "t.h5"), {.windows = 2});
  REQUIRE(found.layers[0].pairs.size() == 3);
  CHECK(found.layers[0].pairs[0].a == 0);
  CHECK(found.layers[0].pairs[0].b == 1);
  CHECK(found.layers[0].pairs[0].count == 2);
  CHECK(found.layers[0].pairs[0].lift == doctest::Approx(2.0 / (3.0 * 2 / 4)));
  // Batches of 2 hold 2 {0 1} and 3 {2 3 0} distinct experts, the batch of 4 all 4.
  CHECK(found.coverage[0].consecutive == 2);
  CHECK(found.coverage[1].consecutive == 2.5);
  CHECK(found.coverage[2].consecutive == 4);
  CHECK(found.windows.size() == 2);
  CHECK(found.windows[1].tokens == 2);
}

TEST_CASE("domains with favourites of their own are told from domains that are only names") {
  const Folder folder;
  SyntheticSpec spec{.law = {.law = Law::Zipf, .skew = 0.8, .layers = 2, .experts = 32, .top_k = 4},
                     .requests = 48,
                     .tokens_per_request = 64,
                     .domains = 4};
  write_synthetic_trace(folder / "same.h5", spec);
  spec.domain_share = 0.5;
  write_synthetic_trace(folder / "own.h5", spec);
  const auto same = analyse(RoutingTrace::open(folder / "same.h5"));
  const auto own = analyse(RoutingTrace::open(folder / "own.h5"));
  CHECK(same.domain_p > 0.05);
  CHECK(own.domain_p == 0.01);
  CHECK(own.domain_distance > 2 * own.shuffled_distance);
  CHECK(own.request_dispersion > 2 * same.request_dispersion);
}

TEST_CASE("a made trace repeats and links as asked") {
  const Folder folder;
  const SyntheticSpec spec{.law = {.law = Law::Uniform, .layers = 3, .experts = 64, .top_k = 4},
                           .requests = 64,
                           .tokens_per_request = 256,
                           .repeat = 0.3,
                           .layer_link = 0.5,
                           .first_layer = 2};
  write_synthetic_trace(folder / "t.h5", spec);
  const auto found = analyse(RoutingTrace::open(folder / "t.h5"));
  CHECK(found.tokens == 64 * 256);
  CHECK(found.layers[0].layer_id == 2);
  // Repeated with 0.3, else by chance 4 / 64: 0.3 + 0.7 x 0.0625 = 0.344.
  REQUIRE(found.repeat_rate.has_value());
  CHECK(*found.repeat_rate == doctest::Approx(0.344).epsilon(0.03));
  CHECK(found.chance_rate == doctest::Approx(0.0625).epsilon(0.01));
  // Linked where neither layer repeats, 0.49 x 0.5, or both do, 0.09 of the link itself: 0.269.
  CHECK(found.layers[0].link.value_or(0) == doctest::Approx(0.269).epsilon(0.05));
  SyntheticSpec plain = spec;
  plain.layer_link = plain.repeat = 0;
  write_synthetic_trace(folder / "p.h5", plain);
  CHECK(analyse(RoutingTrace::open(folder / "p.h5")).layers[0].link.value_or(1) < 0.02);
}

TEST_CASE("a link between layers is what was asked for at any number of tokens") {
  // 256 experts, top 8, of which 256 tokens choose 162 first, 1,024 tokens 251. Of layers that have
  // nothing to do with each other phi^2 is off its mean by sqrt(2) (chosen - 1) / tokens, and V by
  // the root of that over chosen - 1 less (chosen - 1)^2 / (tokens - 1).
  const Folder folder;
  for (const auto& [tokens, chance] : {std::pair{256u, 0.123}, {1024u, 0.043}, {4096u, 0.019}}) {
    SyntheticSpec spec{.law = {.law = Law::Uniform, .layers = 2, .experts = 256, .top_k = 8},
                       .requests = 4,
                       .tokens_per_request = tokens / 4};
    CAPTURE(spec.tokens_per_request);
    const auto link = [&] {
      write_synthetic_trace(folder / "t.h5", spec);
      return analyse(RoutingTrace::open(folder / "t.h5")).layers[0].link.value_or(-1);
    };
    const double none = link();
    CHECK(none >= 0);
    CHECK(none < 2 * chance);
    spec.layer_link = 0.5;
    CHECK(std::abs(link() - 0.5) < 0.03 + chance);
    spec.layer_link = 1;
    CHECK(link() > 0.99);
  }
  // 7 sqrt(2) / 60 over 7 - 49 / 59, the root of it 0.163: 60 tokens do not tell.
  write_synthetic_trace(folder / "few.h5",
                        {.law = {.law = Law::Uniform, .layers = 2, .experts = 8, .top_k = 2},
                         .requests = 1,
                         .tokens_per_request = 60});
  CHECK_FALSE(analyse(RoutingTrace::open(folder / "few.h5")).layers[0].link.has_value());
}

TEST_CASE("counts give loads and domains, and no more") {
  const Folder folder;
  write_counts(folder / "c.h5",
               {.header = {.layers = 1, .experts = 4, .top_k = 2, .domains = {"a", "b"}},
                .counts = {4, 4, 0, 0, 0, 0, 6, 2},
                .step_domains = {0, 1}});
  const auto found = analyse(RoutingTrace::open(folder / "c.h5"));
  CHECK(found.tokens == 8);
  CHECK(found.layers[0].max_over_mean == 1.5);
  CHECK(found.domain_distance == doctest::Approx(1));
  CHECK(found.windows.size() == 2);
  CHECK(found.repeat_pairs == 0);
  CHECK_FALSE(found.repeat_rate.has_value());
  CHECK_FALSE(found.layers[0].repeat_rate.has_value());
  CHECK_FALSE(found.layers[0].link.has_value());
}

TEST_CASE("of thousands of experts no pairs are counted, and the rest is") {
  // 8,192 experts make 67 million pairs, which is more than is kept. Three tokens of two choices:
  // the second shares one of its two with the first, the third none with the second: 1 of 4.
  const Folder folder;
  TraceWriter writer(folder / "t.h5", {.layers = 1, .experts = 8192, .top_k = 2});
  const std::vector<ExpertId> ids{0, 8191, 8191, 5, 6, 7};
  writer.append({.ids = ids});
  writer.close();
  const auto found = analyse(RoutingTrace::open(folder / "t.h5"));
  CHECK(found.layers[0].pairs.empty());
  CHECK_FALSE(found.layers[0].link.has_value());
  CHECK(found.repeat_rate == 0.25);
  CHECK(found.layers[0].dead_experts == 8192 - 5);
}
