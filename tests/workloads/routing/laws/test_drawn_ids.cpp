#include "workloads/routing/laws/drawn_ids.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "sim/random.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

LawSpec zipf(std::uint32_t experts = 16) {
  return {.law = Law::Zipf,
          .layers = 3,
          .experts = experts,
          .top_k = 2,
          .tokens_per_step = 1000,
          .seed = 7};
}

std::vector<ExpertId> drawn(const LawSpec& law, const RoutingRange& range) {
  LayerRouting out;
  LawSource(law).route(range, out);
  return out.ids;
}

std::vector<ExpertId> kept(RoutingSource& source, const RoutingRange& range) {
  LayerRouting room, out;
  copy(source.view(range, room), out);
  return out.ids;
}

// Asks for tokens, and keeps what had to be drawn for them.
struct Asking {
  DrawnIds& ids;
  LawSpec law;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> draws = {};

  bool operator()(std::uint32_t layer, std::uint32_t tokens) {
    LawSource source(law);
    return ids.first({0, 0, layer}, law, tokens,
                     [&](std::uint32_t first, std::uint32_t count, LayerRouting& out) {
                       draws.emplace_back(first, count);
                       source.route({0, 0, first, count}, out);
                     }) != nullptr;
  }
};

}  // namespace

TEST_CASE("what is kept of a law is what it draws, whoever asked for what before") {
  std::vector<LawSpec> laws{zipf(), zipf(300), zipf()};
  laws[2].drift = 0.3;
  laws.push_back(zipf());
  laws.back().law = Law::Balanced;
  laws.push_back(zipf());
  laws.back().law = Law::PowerLaw;
  laws.push_back(laws.back());
  laws.back().tokens_per_step = 3;  // another popularity
  // Ids of four bytes.
  laws.push_back(zipf(70000));
  laws.back().law = Law::Uniform;
  const auto store = std::make_shared<DrawnIds>();
  for (const LawSpec& law : laws) {
    CAPTURE(static_cast<int>(law.law));
    CAPTURE(law.experts);
    const auto source = kept_law_source(law, store);
    CHECK(source->description() == LawSource(law).description());
    for (const RoutingRange& range :
         {RoutingRange{0, 0, 0, 2}, {0, 0, 1, 2}, {1, 2, 0, 3}, {0, 0, 0, 3}, {1, 2, 1, 1}}) {
      CHECK(kept(*source, range) == drawn(law, range));
    }
    if (law.tokens_per_step == 1000)
      CHECK(kept(*source, {0, 0, 100, 900}) == drawn(law, {0, 0, 100, 900}));
  }
}

TEST_CASE("tokens are drawn once, and more of them from where it ended") {
  DrawnIds ids;
  Asking ask{ids, zipf()};
  CHECK(ask(0, 100));
  CHECK(ask(0, 150));
  CHECK(ask(0, 80));
  CHECK(ask(1, 10));
  CHECK(ask.draws ==
        std::vector<std::pair<std::uint32_t, std::uint32_t>>{{0, 100}, {100, 50}, {0, 10}});
  // Of 16 experts a byte an id: room for 2 x 100 and, as that was too little, for twice as many;
  // and for 2 x 10.
  CHECK(ids.bytes() == 420);
}

TEST_CASE("laws that draw the same tokens have one number") {
  DrawnIds ids;
  const std::uint32_t own = ids.number_of(zipf());
  LawSpec same = zipf();
  same.layers = 90;
  same.tokens_per_step = 20;
  CHECK(ids.number_of(same) == own);
  const auto other = [&](auto change) {
    LawSpec law = zipf();
    change(law);
    return ids.number_of(law) != own;
  };
  CHECK(other([](LawSpec& l) { l.law = Law::LogNormal; }));
  CHECK(other([](LawSpec& l) { l.skew = 2; }));
  CHECK(other([](LawSpec& l) { l.drift = 0.1; }));
  CHECK(other([](LawSpec& l) { l.experts = 32; }));
  CHECK(other([](LawSpec& l) { l.top_k = 4; }));
  CHECK(other([](LawSpec& l) { l.groups = 4; }));
  CHECK(other([](LawSpec& l) { l.groups_per_token = 2; }));
  CHECK(other([](LawSpec& l) { l.seed = 8; }));
  // Of the power law popularities follow from how many tokens there are.
  LawSpec power = zipf(), fewer = zipf();
  power.law = fewer.law = Law::PowerLaw;
  fewer.tokens_per_step = 20;
  CHECK(ids.number_of(power) != ids.number_of(fewer));
}

TEST_CASE("what was not used for longest makes room, and a large layer is not kept") {
  // Of 128 x 64 bytes a layer has 64: 32 tokens of two ids.
  DrawnIds ids(128 * 64);
  Asking ask{ids, zipf()};
  CHECK_FALSE(ask(0, 33));
  CHECK(ids.bytes() == 0);
  for (std::uint32_t layer = 0; layer < 128; ++layer) CHECK(ask(layer, 32));
  CHECK(ids.bytes() == 128 * 64);
  CHECK(ask(0, 32));  // used again
  CHECK(ask.draws.size() == 128);
  CHECK(ask(128, 32));  // for which layer 1 goes
  CHECK(ids.bytes() == 128 * 64);
  CHECK(ask(0, 32));
  CHECK(ask.draws.size() == 129);
  CHECK(ask(1, 32));
  CHECK(ask.draws.size() == 130);
}

TEST_CASE("any number of threads find what the law draws") {
  // Room for a few of what they ask for, so that it is made all the time.
  const auto store = std::make_shared<DrawnIds>(128 * 400);
  std::vector<int> wrong(4);
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      sim::Random random(t, "drawn ids");
      LawSpec law = zipf();
      law.layers = 300;
      const auto source = kept_law_source(law, store);
      for (int i = 0; i < 400; ++i) {
        const auto layer = static_cast<std::uint32_t>(random.below(300)),
                   first = static_cast<std::uint32_t>(random.below(150)),
                   count = static_cast<std::uint32_t>(random.below(100));
        const RoutingRange range{1, layer, first, count};
        wrong[t] += kept(*source, range) != drawn(law, range);
      }
    });
  }
  threads.clear();
  CHECK(wrong == std::vector<int>(4));
  CHECK(store->bytes() <= 128 * 400);
}
