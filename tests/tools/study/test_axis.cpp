#include "tools/study/axis.h"

#include <doctest/doctest.h>

#include "sim/error.h"
#include "tests/support/thrown.h"

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::thrown;
using Texts = std::vector<std::string>;

namespace {

Texts of(std::string_view text) {
  return read_values(text, "--vary x");
}
std::string wrong(std::string_view text) {
  return thrown<sim::ConfigError>([&] { of(text); });
}

}  // namespace

TEST_CASE("values are listed, stepped, multiplied or even in the logarithm") {
  CHECK(of("8, 16,32") == Texts{"8", "16", "32"});
  CHECK(of("nccl,deepep_normal") == Texts{"nccl", "deepep_normal"});
  CHECK(of("1..4") == Texts{"1", "2", "3", "4"});
  CHECK(of("0..1+0.25") == Texts{"0", "0.25", "0.5", "0.75", "1"});
  CHECK(of("0..0.3+0.1") == Texts{"0", "0.1", "0.2", "0.3"});
  CHECK(of("1..256*2") == Texts{"1", "2", "4", "8", "16", "32", "64", "128", "256"});
  CHECK(of("1..100*3") == Texts{"1", "3", "9", "27", "81"});  // 243 is beyond the end
  CHECK(of("2..12*1.5") == Texts{"2", "3", "4.5", "6.75", "10.125"});
  // 50 x 16^(i / 4).
  CHECK(of("50..800~5") == Texts{"50", "100", "200", "400", "800"});
  CHECK(of("1..3~9") == Texts{"1", "2", "3"});  // whole ones, each once
  CHECK(of("0.5..2~3") == Texts{"0.5", "1", "2"});
  CHECK(of("1,2..3,8..16*2") == Texts{"1", "2", "3", "8", "16"});
  CHECK(of("-2..0") == Texts{"-2", "-1", "0"});
}

TEST_CASE("ends keep their unit, and YAML its brackets and quotes") {
  CHECK(of("100 Gbit/s..400 Gbit/s*2") == Texts{"100 Gbit/s", "200 Gbit/s", "400 Gbit/s"});
  CHECK(of("{law: zipf, skew: 1},{law: uniform}") ==
        Texts{"{law: zipf, skew: 1}", "{law: uniform}"});
  CHECK(of("[1, 2],[3]") == Texts{"[1, 2]", "[3]"});
  CHECK(of("../a.yaml,traces/../b.h5") == Texts{"../a.yaml", "traces/../b.h5"});
}

TEST_CASE("a range that cannot be says what would do") {
  CHECK(wrong("1..") ==
        "--vary x: expected a range such as 1..9, 0..1+0.25, 1..256*2 or 50..800~9, not \"1..\"");
  CHECK(
      wrong("1..9*1") ==
      "--vary x: expected a range such as 1..9, 0..1+0.25, 1..256*2 or 50..800~9, not \"1..9*1\"");
  CHECK(
      wrong("0..9*2") ==
      "--vary x: expected a range such as 1..9, 0..1+0.25, 1..256*2 or 50..800~9, not \"0..9*2\"");
  CHECK(wrong("1..9~1.5") ==
        "--vary x: expected a range such as 1..9, 0..1+0.25, 1..256*2 or 50..800~9, not "
        "\"1..9~1.5\"");
  CHECK(wrong("9..1") == "--vary x: \"9..1\" goes down: the smaller end comes first");
  CHECK(wrong("1 us..9 ms") == "--vary x: the ends of \"1 us..9 ms\" are in different units");
  CHECK(wrong("1..1e9") == "--vary x: \"1..1e9\" has more than 100000 values");
  CHECK(wrong("1,,2") == "--vary x: expected values such as 8,16,32 or 1..256*2, not \"1,,2\"");
  CHECK(wrong("") == "--vary x: expected values such as 8,16,32 or 1..256*2, not \"\"");
}

TEST_CASE("an axis is a key and its values") {
  const Axis axis = read_axis("step.batch_per_rank=1..4*2", "--vary");
  CHECK(axis.key == "step.batch_per_rank");
  CHECK(axis.values == Texts{"1", "2", "4"});
  CHECK(thrown<sim::ConfigError>([] { read_axis("=3", "--vary"); }) ==
        "--vary: expected KEY=VALUES such as step.batch_per_rank=1..256*2, not \"=3\"");
  CHECK(thrown<sim::ConfigError>([] { read_axis("step.count=", "--vary"); }) ==
        "--vary step.count: expected values such as 8,16,32 or 1..256*2, not \"\"");
}
