// How long prompts and outputs are.
#include "workloads/serving/requests/lengths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"

using namespace moesim;
using namespace moesim::workloads::serving;

namespace {

std::vector<std::int64_t> draws(const Lengths& lengths, int n) {
  sim::Random random(2, "lengths");
  std::vector<std::int64_t> list;
  for (int i = 0; i < n; ++i) list.push_back(lengths.draw(random));
  return list;
}

}  // namespace

TEST_CASE("a uniform length takes both of its ends, and each length between as often") {
  std::map<std::int64_t, int> seen;
  for (const std::int64_t n : draws(uniform_length(3, 5), 30'000)) ++seen[n];
  REQUIRE(seen.size() == 3);  // 10,000 each; five standard deviations are 408
  for (const auto& [length, times] : seen) CHECK(std::abs(times - 10'000) < 408);
  CHECK(uniform_length(3, 5).mean() == 4);
  CHECK(constant_length(7).draw(*std::make_unique<sim::Random>(1, "x")) == 7);
}

TEST_CASE("a log-normal length has its median and its 90th percentile") {
  const Lengths lengths{.law = LengthLaw::LogNormal, .median = 1000, .p90 = 3000};
  auto list = draws(lengths, 100'001);
  std::sort(list.begin(), list.end());
  CHECK(list[50'000] == doctest::Approx(1000).epsilon(0.02));
  CHECK(list[90'000] == doctest::Approx(3000).epsilon(0.02));
  // sigma = ln 3 / 1.28155 = 0.85725, mean = 1000 exp(sigma^2 / 2) = 1444.1
  CHECK(lengths.mean() == doctest::Approx(1444.1).epsilon(0.0001));
}

TEST_CASE("lengths are drawn from a table's column") {
  const tests::TemporaryFolder folder;
  const auto file = folder.file("l.csv", "input_length,output_length\n10,1\n20,0\n");
  const Lengths in = length_table(file, "input_length");
  CHECK(in.values == std::vector<std::int64_t>{10, 20});
  CHECK(in.mean() == 15);
  CHECK(in.largest() == 20);
  CHECK(length_table(file, "output_length").values == std::vector<std::int64_t>{1, 1});
  const std::string name = file.generic_string();
  CHECK(tests::thrown<sim::InputError>([&] { length_table(file, "output_lengths"); }) ==
        name +
            ": column \"output_lengths\" is missing; the columns are input_length, "
            "output_length; did you mean \"output_length\"?");
  const auto negative = folder.file("n.csv", "a\n-1\n");
  CHECK(tests::thrown<sim::InputError>([&] { length_table(negative, "a"); }) ==
        negative.generic_string() + ":2: a: expected a number of tokens, not -1");
  const auto empty = folder.file("e.csv", "a\n");
  CHECK(tests::thrown<sim::InputError>([&] { length_table(empty, "a"); }) ==
        empty.generic_string() + ": has no rows to draw lengths from");
}

TEST_CASE("a histogram of ServeGen counts its windows alike") {
  // Two windows: 10 with chances 1 and 0.5, 30 with 0.5: 10 three times as often as 30. Mean 15.
  const tests::TemporaryFolder folder;
  const auto file = folder.file(
      "h.json",
      R"({"0": {"input_tokens": "{10: 1.0}"}, "600": {"input_tokens": "{10: 0.5, 30: 0.5}"},
                    "1200": {"input_tokens": "{}"}})");
  const Lengths lengths = length_histogram(file, "input_tokens");
  CHECK(lengths.values == std::vector<std::int64_t>{10, 30});
  CHECK(lengths.below == std::vector<double>{0.75, 1});
  CHECK(lengths.mean() == 15);
  const auto list = draws(lengths, 10'000);
  CHECK(std::abs(std::count(list.begin(), list.end(), 30) - 2500) < 217);  // five deviations
  const auto bad = folder.file("b.json", R"({"0": {"input_tokens": "{10; 1.0}"}})");
  CHECK(tests::thrown<sim::InputError>([&] { length_histogram(bad, "input_tokens"); }) ==
        bad.generic_string() +
            ": 0.input_tokens: expected \"{tokens: chance, ...}\", not \"10; 1.0\"");
  CHECK(tests::thrown<sim::InputError>([&] { length_histogram(bad, "output_tokens"); }) ==
        bad.generic_string() + ": 0: expected a text \"output_tokens\"");
  const auto none = folder.file("none.json", R"({"0": {"input_tokens": "{}"}})");
  CHECK(tests::thrown<sim::InputError>([&] { length_histogram(none, "input_tokens"); }) ==
        none.generic_string() + ": no window has any input_tokens");
}
