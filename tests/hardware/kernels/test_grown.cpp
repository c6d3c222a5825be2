// Experts on the way to a batch: what was there of their rows, and times that do not fall on it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "hardware/kernels/fitted.h"
#include "hardware/kernels/group_rows.h"
#include "hardware/kernels/moe.h"
#include "hardware/kernels/moe_layer.h"
#include "hardware/kernels/rates.h"
#include "tests/hardware/kernels/devices.h"

using namespace moesim;
using namespace moesim::hardware;

namespace {

MoeInput layer(std::int64_t tokens, const std::vector<std::int64_t>& rows) {
  MoeInput x;
  x.tokens = static_cast<double>(tokens);
  x.hidden = 2048;
  x.inter = 512;
  x.top_k = 2;
  x.experts = 8;
  x.rows = group_rows(rows);
  x.format = {Precision::BF16, Precision::BF16};
  return x;
}

// Round figures, and a residual table over tokens alone: e^0.5 at 32, e^-0.5 at 256.
FittedModel falling() {
  FittedModel model;
  model.kind = "moe";
  for (const auto& field : MoeModel::fields())
    model.parameters[std::string(field.name)] = field.initial;
  model.residual.axes = {
      {"rows_per_group", {1}}, {"active", {1}}, {"inter", {1}}, {"tokens", {1, 32, 256}}};
  model.residual.values = {0, 0.5, -0.5};
  return model;
}

// Looked at where the table may say more than `left`.
MoeLayer::Smaller smaller_of(const MoeInput& x, const ResidualTable& table, double left) {
  return MoeLayer(Fitted<MoeModel>(falling()).parameters(), table, x,
                  rates_of(shipped("h100"), Precision::BF16, {}))
      .smaller(x, left);
}

// At all knots, whatever the table says there.
MoeLayer::Smaller smaller_of(const MoeInput& x, ResidualTable table) {
  std::size_t values = 1;
  for (const auto& [name, knots] : table.axes) values *= knots.size();
  table.values.assign(values, 0);
  return smaller_of(x, table, -1);
}

}  // namespace

TEST_CASE(
    "a group of some rows has any with a chance that is 1 where nothing is left of the rest") {
  CHECK(chance_of_any(0.25, 2) == doctest::Approx(1 - 0.75 * 0.75));
  CHECK(chance_of_any(0, 5) == 0);
  CHECK(chance_of_any(1, 5) == 1);
  // From e^-40 on to the bit; before that it is reckoned.
  CHECK(chance_of_any(0.5, 80) == 1 - std::pow(0.5, 80));
  CHECK(chance_of_any(0.004, 10'000) == 1 - std::pow(0.996, 10'000));
  CHECK(chance_of_any(0.3, 100) == 1 - std::pow(0.7, 100));
  CHECK(chance_of_any(0.03, 1000) < 1);
}

TEST_CASE("half of a batch has half its rows, in tiles of twice the size") {
  // Two groups of 32 rows: tiles of 8, 16, 32, 64: 8, 4, 2, 2. Of half the rows, 16 each: 4, 2, 2,
  // 2.
  const GroupRows half = thinned(group_rows(std::vector<std::int64_t>{32, 32, 0}), 0.5);
  CHECK(half.groups == 3);
  CHECK(half.rows == 32);
  CHECK(half.most == 16);
  CHECK(half.active == 2);
  CHECK(half.tiles[0] == doctest::Approx(4));
  CHECK(half.tiles[1] == doctest::Approx(2));
  CHECK(half.tiles[2] == doctest::Approx(2));
  CHECK(half.tiles[5] == doctest::Approx(2));
}

TEST_CASE("groups that are even to a row were so all the way") {
  // Ten groups of two rows: half of them is one each, a quarter one in each of five.
  const GroupRows even = group_rows(std::vector<std::int64_t>(10, 2));
  CHECK(thinned(even, 0.5).active == 10);
  CHECK(thinned(even, 0.25).active == 5);
  for (const double tiles : thinned(even, 0.25).tiles) CHECK(tiles == doctest::Approx(5));
}

TEST_CASE("of uneven groups those have rows that a part of the batch gave one") {
  // Rows 1 and 3, two on average: a quarter leaves each group of two with 1 - 0.75^2 = 0.4375.
  std::vector<std::int64_t> rows(10, 1);
  for (int i = 0; i < 5; ++i) rows[static_cast<std::size_t>(i)] = 3;
  CHECK(thinned(group_rows(rows), 0.25).active == doctest::Approx(4.375));
  // One row of two groups of one and three: 0.875 groups together; one it is.
  const GroupRows one = thinned(group_rows(std::vector<std::int64_t>{1, 3}), 0.25);
  CHECK(one.rows == 1);
  CHECK(one.active == 1);
}

TEST_CASE("a batch is looked at where it passed a knot") {
  // 64 tokens, top 2 of 8, rows 8 and 24 by turns: 16 on average. It had 32 tokens at a half; four
  // groups at 1 - (1 - 4 / 8)^(1 / 16); 4 rows for each group that had any where share x 16 = 4 (1
  // - (1 - share)^16). Its 128 rows are all that 64 tokens give: fewer do not give them.
  const MoeInput x = layer(64, {8, 24, 8, 24, 8, 24, 8, 24});
  ResidualTable table;
  table.axes = {{"rows_per_group", {4, 16}},
                {"active", {4, 8}},
                {"inter", {1, 128}},
                {"tokens", {0.1, 32, 64, 256}}};
  const MoeLayer::Smaller smaller = smaller_of(x, table);
  REQUIRE(smaller.count == 3);
  // Where the table says no more at any of these knots, none is looked at.
  table.values.assign(2 * 2 * 2 * 4, 0.5);
  CHECK(smaller_of(x, table, 0.5).count == 0);
  CHECK(smaller_of(x, table, 0.4).count == 3);
  const MoeLayer::Earlier &rows = smaller.at[0], &groups = smaller.at[1], &tokens = smaller.at[2];
  CHECK(rows.rows / rows.active == doctest::Approx(4).epsilon(0.001));
  CHECK(rows.tokens / 64 == doctest::Approx(rows.rows / 128));
  CHECK(groups.active == doctest::Approx(4));
  CHECK(groups.tokens == doctest::Approx(64 * (1 - std::pow(0.5, 1.0 / 16))));
  CHECK(tokens.tokens == 32);
  CHECK(tokens.rows == 64);
  // What is told of them is what was left of the rows.
  for (std::size_t i = 0; i < smaller.count; ++i) {
    const GroupRows then = thinned(x.rows, smaller.at[i].share);
    CHECK(smaller.at[i].rows == then.rows);
    CHECK(smaller.at[i].active == then.active);
  }
  // Even groups: four rows each of eight at a quarter; four groups of one at 4 / 128.
  const MoeLayer::Smaller even = smaller_of(layer(64, std::vector<std::int64_t>(8, 16)), table);
  REQUIRE(even.count == 3);
  CHECK(even.at[0].tokens == doctest::Approx(16));
  CHECK(even.at[1].tokens == doctest::Approx(2));
}

TEST_CASE("a GPU without a row waited no less for fewer tokens") {
  const MoeInput x = layer(64, std::vector<std::int64_t>(4, 0));
  ResidualTable table;
  table.axes = {{"rows_per_group", {4}}, {"active", {4}}, {"inter", {1}}, {"tokens", {1, 32, 256}}};
  const MoeLayer::Smaller smaller = smaller_of(x, table);
  REQUIRE(smaller.count == 2);
  CHECK(smaller.at[0].tokens == 1);
  CHECK(smaller.at[1].tokens == 32);
}

TEST_CASE("experts take no less than while their batch grew") {
  const Fitted<MoeModel> fitted(falling());
  const Rates rates = rates_of(shipped("h100"), Precision::BF16, {});
  const MoeInput x = layer(256, std::vector<std::int64_t>(8, 64));
  const auto formula = [&](const MoeInput& y) {
    return MoeModel::us(y, rates, fitted.parameters());
  };
  // At 32 tokens, of eight rows in each group, the table was at its highest; the formula rises by
  // less than the table falls from there.
  MoeInput before_that = x;
  before_that.tokens = 32;
  before_that.rows = thinned(x.rows, 32.0 / 256);
  const double then = formula(before_that) * std::exp(0.5);
  REQUIRE(then > formula(x) * std::exp(-0.5));
  CHECK(fitted.us(x, rates) == doctest::Approx(then));
  // Up to there it is the formula with what it leaves over.
  const MoeInput before = layer(32, std::vector<std::int64_t>(8, 8));
  CHECK(fitted.us(before, rates) == doctest::Approx(formula(before) * std::exp(0.5)));
  // More of the same is no faster, but for what tiles are off by that are read between two sizes.
  double last = 0;
  for (std::int64_t tokens = 4; tokens <= 1024; tokens += 4) {
    CAPTURE(tokens);
    const double us = fitted.us(layer(tokens, std::vector<std::int64_t>(8, tokens / 4)), rates);
    CHECK(us >= 0.98 * last);
    last = us;
  }
}
