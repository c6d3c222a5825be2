#include "tools/study/expression.h"

#include <doctest/doctest.h>

#include <map>

#include "sim/error.h"
#include "tests/support/thrown.h"

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::thrown;

namespace {

const Lookup keys = [](std::string_view key) -> std::optional<Value> {
  static const std::map<std::string, Value, std::less<>> all{
      {"parallelism.ep", std::int64_t{8}},
      {"parallelism.tp", std::int64_t{2}},
      {"kv", std::string("fp8")},
      {"rate", value_of("400 Gbit/s")},
      {"on", true},
      {"links[0].bytes", std::int64_t{7}},
      {"step_time_us.mean", 19'999.0},
      {"serving.mean_ttft_ms", 20.0},
      {"memory.peak_bytes", std::int64_t{80'000'000'000}},
      {"algbw_GBps", 50.0},
      {"tokens_per_s", 30.0}};
  const auto found = all.find(key);
  if (found == all.end()) return {};
  return found->second;
};

Value of(std::string_view text) {
  return Expression(text).evaluate(keys);
}
std::string wrong(std::string_view text) {
  return thrown<sim::ConfigError>([&] { of(text); });
}

}  // namespace

TEST_CASE("products bind before sums, sums before comparisons, and before or") {
  CHECK(of("1 + 2 * 3") == Value{std::int64_t{7}});
  CHECK(of("(1 + 2) * 3") == Value{std::int64_t{9}});
  CHECK(of("2 - 3 - 4") == Value{std::int64_t{-5}});
  CHECK(of("8 / 2 / 2") == Value{std::int64_t{2}});
  CHECK(of("-2 * -3") == Value{std::int64_t{6}});
  CHECK(of("1 + 1 < 3 and 2 > 1") == Value{true});
  CHECK(of("true or false and false") == Value{true});
  CHECK(of("not false and false") == Value{false});
}

TEST_CASE("whole numbers stay whole where they can") {
  CHECK(of("6 / 2") == Value{std::int64_t{3}});
  CHECK(of("7 / 2") == Value{3.5});
  CHECK(of("0.5 + 0.5") == Value{std::int64_t{1}});
  CHECK(of("ceil(7 / 2)") == Value{std::int64_t{4}});
  CHECK(of("floor(7 / 2)") == Value{std::int64_t{3}});
  CHECK(of("log2(parallelism.ep)") == Value{std::int64_t{3}});
  CHECK(of("min(3, 1, 2) + max(1, 5)") == Value{std::int64_t{6}});
}

TEST_CASE("quantities are numbers in their base unit, of a kind") {
  CHECK(of("1 GiB") == Value{Quantity{1'073'741'824, Dimension::Bytes}});
  CHECK(of("2us") == Value{Quantity{2e-6, Dimension::Time}});
  CHECK(of("rate") == Value{Quantity{50e9, Dimension::Bandwidth}});
  CHECK(of("2 TFLOP/s / 2") == Value{Quantity{1e12, Dimension::FlopRate}});
  CHECK(to_text(of("rate / 2")) == "25000000000 B/s");  // as a scenario reads it
  CHECK(of("rate / 2 == 200 Gbit/s") == Value{true});
  CHECK(of("rate > 50 GB/s or 1 > 2") == Value{false});
}

TEST_CASE("a key's name states the unit of its number") {
  CHECK(of("step_time_us.mean < 20 ms") == Value{true});  // 19,999 us
  CHECK(of("step_time_us.mean < 19.999 ms") == Value{false});
  CHECK(of("19.999 ms == step_time_us.mean") == Value{true});
  CHECK(of("step_time_us.mean < 20000") == Value{true});  // alone it is in its own unit
  CHECK(of("step_time_us.mean + 1 ms") == Value{std::int64_t{20'999}});
  CHECK(of("max(step_time_us.mean, 1 s)") == Value{std::int64_t{1'000'000}});
  CHECK(of("2 * step_time_us.mean > 39 ms") == Value{true});
  CHECK(of("-step_time_us.mean / 2 < -9 ms") == Value{true});
  CHECK(of("serving.mean_ttft_ms > step_time_us.mean") == Value{true});  // 20 ms, 19.999 ms
  CHECK(of("memory.peak_bytes == 80 GB and memory.peak_bytes > 74 GiB") == Value{true});
  CHECK(of("links[0].bytes < 8 B") == Value{true});
  CHECK(of("algbw_GBps >= 400 Gbit/s") == Value{true});  // 50 GB/s
  CHECK(of("step_time_us.mean > 0 and rate > 0") == Value{true});
  CHECK(of("step_time_us.mean / 1 us") == Value{std::int64_t{19'999}});
  // 80e9 B / 50e9 B/s = 1.6 s, and back.
  CHECK(of("memory.peak_bytes / rate < 1601 ms") == Value{true});
  CHECK(of("memory.peak_bytes / rate") == Value{Quantity{1.6, Dimension::Time}});
  CHECK(of("rate * 2 s") == Value{Quantity{100e9, Dimension::Bytes}});
  CHECK(of("80 GB / 2 s") == Value{Quantity{40e9, Dimension::Bandwidth}});
  // Of two keys that say no quantity the numbers are taken as they stand.
  CHECK(of("memory.peak_bytes / step_time_us.mean > 4000000") == Value{true});
}

TEST_CASE("units that do not go together are told, with what would do") {
  CHECK(wrong("step_time_us.mean < 20 GB") ==
        "expression, column 19: step_time_us.mean (in us) and 20 GB (a size) are of different "
        "kinds: a time such as 1.5 us, or a number of us would do");
  CHECK(wrong("20ms < tokens_per_s") ==
        "expression, column 6: 20ms (a time) and tokens_per_s (a number without a unit) are of "
        "different kinds: a number without a unit would do");
  CHECK(wrong("rate > 400") ==
        "expression, column 6: rate (a bandwidth) and 400 (a number without a unit) are of "
        "different kinds: a bandwidth such as 400 Gbit/s would do");
  CHECK(wrong("parallelism.ep + 1 != 2 GiB") ==
        "expression, column 20: what is reckoned (a number without a unit) and 2 GiB (a size) are "
        "of different kinds: a number without a unit would do");
  CHECK(wrong("1 TFLOP/s - rate") ==
        "expression, column 11: 1 TFLOP/s (a rate of FLOP) and rate (a bandwidth) are of different "
        "kinds: a bandwidth such as 400 Gbit/s would do");
}

TEST_CASE("keys say what they say, texts are compared as they are") {
  CHECK(of("parallelism.ep <= parallelism.tp * 4") == Value{true});
  CHECK(of("parallelism.ep/parallelism.tp") == Value{std::int64_t{4}});
  CHECK(of("kv == 'fp8'") == Value{true});
  CHECK(of("kv != \"bf16\" and on") == Value{true});
  CHECK(of("links[0].bytes") == Value{std::int64_t{7}});
  CHECK(Expression("a + b * a").keys() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a mistake has its column") {
  CHECK(wrong("1 +") == "expression, column 4: expected a number, a key or (, not the end");
  CHECK(wrong("parallelism.ep > > 3") ==
        "expression, column 18: expected a number, a key or (, not \"> 3\"");
  CHECK(wrong("(1 + 2") == "expression, column 7: expected ), not the end");
  CHECK(wrong("1 2") == "expression, column 3: expected an operator, not \"2\"");
  CHECK(wrong("3 GiBs") ==
        "expression, column 3: expected an operator or a unit, such as GiB, us, Gbit/s, not "
        "\"GiBs\"");
  CHECK(wrong("'fp8") == "expression, column 1: a text that does not end, not \"'fp8\"");
  CHECK(wrong("sqrt(2)") ==
        "expression, column 1: there is no such function; there are min, max, ceil, floor, log2, "
        "not \"sqrt(2)\"");
  CHECK(wrong("ceil(1, 2)") == "expression, column 1: ceil takes one value, not 2");
  CHECK(wrong("parallelism.eq + 1") ==
        "expression, column 1: there is no value \"parallelism.eq\"");
  CHECK(wrong("1 + kv") == "expression, column 5: expected a number, not \"fp8\"");
  CHECK(wrong("1 / (2 - 2)") == "expression, column 3: a division by zero");
  CHECK(wrong("log2(0)") == "expression, column 1: log2 of what is not above zero");
  CHECK(wrong("1e300 * 1e300") == "expression, column 7: the result is too large");
  CHECK(wrong("1 and true") == "expression, column 1: expected a condition, not 1");
  CHECK(wrong(std::string(200, '(')) == "expression, column 102: nested too deeply");
  CHECK(thrown<sim::ConfigError>([] { (void)Expression("3", "--where").holds(keys); }) ==
        "--where, column 1: expected a condition, not 3");
}

TEST_CASE("values are written as a scenario says them") {
  CHECK(to_text(value_of("8")) == "8");
  CHECK(to_text(value_of("0.25")) == "0.25");
  CHECK(to_text(value_of("true")) == "true");
  CHECK(to_text(value_of("fp8")) == "fp8");
  CHECK(to_text(Value{1e20}) == "1e+20");
}
