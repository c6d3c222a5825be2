// The table of played steps: which points it plays, and lines between them.
#include "workloads/step/step_table.h"

#include <doctest/doctest.h>

#include <vector>

#include "sim/units.h"

using namespace moesim;
using namespace moesim::workloads;
using namespace moesim::sim::literals;

namespace {

TableSample sample_of(std::int64_t rest, std::int64_t whole) {
  TableSample sample;
  sample.routings = {{.time = sim::Duration(rest), .parts = {}}};
  sample.mean_rest = static_cast<double>(rest);
  sample.mean_time = static_cast<double>(whole);
  return sample;
}

// A table of one rank whose rest is a function of the tokens; keeps what was played.
struct OneRank {
  std::vector<std::int64_t> played = {};
  StepTable table;

  template <class Rest>
  OneRank(std::int64_t most, double tolerance, Rest rest)
      : table(
            {.ranks = 1, .most = most, .tolerance = tolerance},
            [this, rest](const TablePoint& at) {
              played.push_back(at.total);
              return sample_of(rest(at.total), rest(at.total));
            },
            [](const TablePoint&) { return sim::Duration{}; }) {}
  sim::Duration at(std::int64_t tokens) {
    return table.blend({.total = tokens, .fullest = tokens}, {}).of(0).time;
  }
};

}  // namespace

TEST_CASE("a straight line needs the quarters of an octave and no more") {
  // 40 lies in 32 to 64, and cells are a quarter of that at most: 40 to 48 (40 is the upper end of
  // 32 to 40), whose middle, 44, lies on the line: 40 is an end of 40 to 44 and exact.
  OneRank line(64, 0.01, [](std::int64_t x) { return 1000 + 10 * x; });
  CHECK(line.at(40) == 1400_ps);
  CHECK(line.played == std::vector<std::int64_t>{40, 48, 44});
  CHECK(line.at(41) == 1410_ps);
  CHECK(line.at(43) == 1430_ps);
  CHECK(line.played.size() == 3);
}

TEST_CASE("both sides of a step at which a kernel changes are found") {
  // 1000 up to 100 tokens, 2000 from 101 on: halved down to the cell between the two.
  OneRank jump(128, 0.01, [](std::int64_t x) { return x <= 100 ? 1000 : 2000; });
  for (std::int64_t x = 1; x <= 128; ++x) {
    CAPTURE(x);
    CHECK(jump.at(x) == sim::Duration(x <= 100 ? 1000 : 2000));
  }
}

TEST_CASE("a cell is halved while its middle is off by more than the tolerance") {
  // In 1 to 4 the point of 2 tokens is exact. 4 to 8: x^2 at 5 and 7 between 4, 6, 8 (16, 36, 64):
  // cells of a quarter of 4 are 1 wide, so that all are exact. In 32 to 40 the line between 1024
  // and 1600 has 1312 where 36^2 = 1296: 1.2 % off. 0.02 accepts that, and 34 lies on the line
  // between 1024 and 1296: 1160 (1156 is right). With 0.01 the halves are tried: 34^2 is off by
  // 0.35 %, which does; it is a point then.
  const auto square = [](std::int64_t x) { return x * x; };
  OneRank coarse(64, 0.02, square), fine(64, 0.01, square);
  CHECK(coarse.at(7) == 49_ps);
  CHECK(coarse.at(34) == 1160_ps);
  CHECK(fine.at(34) == 1156_ps);
}

TEST_CASE("an answer does not depend on what was asked before") {
  const auto rough = [](std::int64_t x) { return 1000 * x + 977 * (x % 7); };
  OneRank up(100, 0.005, rough), down(100, 0.005, rough), forgets(100, 0.005, rough);
  std::vector<sim::Duration> first;
  for (std::int64_t x = 1; x <= 100; ++x) first.push_back(up.at(x));
  for (std::int64_t x = 100; x >= 1; --x) {
    CHECK(down.at(x) == first[static_cast<std::size_t>(x - 1)]);
    forgets.table.forget();
    CHECK(forgets.table.bytes() == 0);
    CHECK(forgets.at(x) == first[static_cast<std::size_t>(x - 1)]);
  }
}

TEST_CASE("unequal ranks lie between points whose first rank has 1, 2, 4 times the mean, or all") {
  // Four ranks; the rest is 100 x total + 10,000 x fullest, straight in both. 16 tokens, 6 of them
  // on one rank, 1.5 times the mean: 1,600 + 60,000. 12 of 16 is 3 times. 3 tokens are fewer than
  // ranks: a point of its own.
  std::vector<TablePoint> played;
  StepTable table(
      {.ranks = 4, .most = 64, .tolerance = 0.01},
      [&](const TablePoint& at) {
        played.push_back(at);
        const std::int64_t rest = 100 * at.total + 10'000 * at.fullest;
        return sample_of(rest, rest);
      },
      [](const TablePoint&) { return sim::Duration{}; });
  CHECK(table.blend({.total = 16, .fullest = 6}, {}).of(0).time == 61'600_ps);
  CHECK(table.blend({.total = 16, .fullest = 12}, {}).of(0).time == 121'600_ps);
  played.clear();
  CHECK(table.blend({.total = 3, .fullest = 2}, {}).of(0).time == 20'300_ps);
  REQUIRE(played.size() == 1);
  CHECK(played[0].total == 3);
  CHECK(played[0].fullest == 2);
}

TEST_CASE("a step at which the fullest rank's kernel changes is found at any number of tokens") {
  // Sixteen ranks; one reads 512 tokens of a prompt, the others decode a few. Its kernel takes
  // 50,000 more from 513 tokens on. Between 8 and 16 times the mean's tokens, at 690 in all, the
  // rest is 10 x 690 + 100 x 512; with one token more 50,000 + 100 more.
  StepTable table(
      {.ranks = 16, .most = 512, .tolerance = 0.001},
      [&](const TablePoint& at) {
        const std::int64_t rest =
            10 * at.total + 100 * at.fullest + (at.fullest > 512 ? 50'000 : 0);
        return sample_of(rest, rest);
      },
      [](const TablePoint&) { return sim::Duration{}; });
  const auto at = [&](std::int64_t total, std::int64_t fullest) {
    return static_cast<double>(
        table.blend({.total = total, .fullest = fullest}, {}).of(0).time.count());
  };
  CHECK(at(690, 512) == doctest::Approx(58'100).epsilon(0.001));
  CHECK(at(690, 513) == doctest::Approx(108'200).epsilon(0.001));
  // One rank may have more than the mean may: the others have less.
  CHECK(at(2000, 1500) == doctest::Approx(20'000 + 150'000 + 50'000).epsilon(0.001));
}

TEST_CASE("where attention does not add up a point is read by attention's time") {
  // Attention takes 10 x keys; half of it is hidden up to 1,000 keys, none beyond: the whole step
  // is 5,000 + 5 x keys, then 10 x keys. Asked for 4,000 of attention: 400 keys, 7,000. For 20,000:
  // 2,000 keys, 20,000. Less than one key's attention is outside, and as one key.
  StepTable table(
      {.ranks = 1, .most = 1, .tolerance = 0.001, .adds_up = false},
      [](const TablePoint& at) {
        const std::int64_t c = at.context;
        const std::int64_t time = c <= 1000 ? 5000 + 5 * c : 10 * c;
        return sample_of(time, time);
      },
      [](const TablePoint& at) { return sim::Duration(10 * at.context); });
  const TablePoint one{.total = 1, .fullest = 1};
  CHECK(table.blend(one, 4000_ps).of(0).time == 7000_ps);
  CHECK(table.blend(one, 20'000_ps).of(0).time == 20'000_ps);
  CHECK(table.blend(one, 9_ps).of(0).time == 5005_ps);
}

TEST_CASE("as many ranks are full as the tokens' squares say, or the next fewer that there are") {
  // Of 16 ranks h have 9 tokens and the others 1: 16 + 8 h tokens, 16 + 80 h squared. Points have 8
  // of 16 full, or 2, or one.
  const auto of = [](std::int64_t h) {
    return full_ranks(16, 16 + 8 * h, 9, static_cast<double>(16 + 80 * h));
  };
  CHECK(of(1) == 1);
  CHECK(of(2) == 2);
  CHECK(of(7) == 2);
  CHECK(of(8) == 8);
  CHECK(of(12) == 8);
  CHECK(of(15) == 1);  // 9 are hardly more than 8.5
  // One rank has 32, the others 16 together: that is all, whatever the squares say.
  CHECK(full_ranks(16, 48, 32, 1e9) == 1);
  CHECK(full_ranks(16, 16, 1, 16) == 1);  // all are alike
  CHECK(full_ranks(1, 5, 5, 25) == 1);
  // Full ranks lie as far from each other as they can.
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < 10; ++i) {
    if (is_full(i, 10, 4)) places.push_back(i);
  }
  CHECK(places == std::vector<std::int64_t>{0, 3, 5, 8});
}

TEST_CASE("a group half of whose ranks have prompts lies on the line of such points") {
  // The rest is the tokens of the fifth of eight ranks, one of those that are full where half are.
  // Four ranks have 24, four 8: were the first alone full it would be one of seven that share 104.
  std::vector<TablePoint> played;
  StepTable table(
      {.ranks = 8, .most = 64, .tolerance = 0.01},
      [&](const TablePoint& at) {
        played.push_back(at);
        const std::int64_t others =
            at.full == 8 ? 0 : (at.total - at.full * at.fullest) / (8 - at.full);
        const std::int64_t rest = is_full(4, 8, at.full) ? at.fullest : others;
        return sample_of(1000 * rest, 1000 * rest);
      },
      [](const TablePoint&) { return sim::Duration{}; });
  const std::int64_t total = 4 * 8 + 4 * 24;
  const double squares = 4 * 8.0 * 8 + 4 * 24.0 * 24;
  CHECK(full_ranks(8, total, 24, squares) == 4);
  // Mean 16: halfway between all alike, 16 on each, and 32 on half of them.
  const TableBlend blend = table.blend({.total = total, .fullest = 24, .full = 4}, {});
  CHECK(blend.of(0).time == 24'000_ps);
  CHECK(blend.parts.front().full == 0);
  CHECK(blend.parts.back().full == 4);
}
