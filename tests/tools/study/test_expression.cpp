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
  static const std::map<std::string, Value, std::less<>> all{{"parallelism.ep", std::int64_t{8}},
                                                             {"parallelism.tp", std::int64_t{2}},
                                                             {"kv", std::string("fp8")},
                                                             {"rate", value_of("400 Gbit/s")},
                                                             {"on", true},
                                                             {"links[0].bytes", std::int64_t{7}}};
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

TEST_CASE("quantities are numbers in their base unit") {
  CHECK(of("1 GiB") == Value{std::int64_t{1'073'741'824}});
  CHECK(of("2us") == Value{2e-6});
  CHECK(of("rate") == Value{std::int64_t{50'000'000'000}});
  CHECK(of("rate / 2 == 200 Gbit/s") == Value{true});
  CHECK(of("rate > 50 GB/s or 1 > 2") == Value{false});
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
