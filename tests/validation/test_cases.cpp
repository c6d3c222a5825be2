#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "validation/compare/cases.h"

using namespace moesim;
using namespace moesim::validation;
using sim::io::Json;

namespace {

std::filesystem::path written(const std::string& text) {
  const auto file = std::filesystem::temp_directory_path() / "moesim-case-test.yaml";
  std::ofstream(file) << text;
  return file;
}

std::string error_of(const std::string& text) {
  try {
    (void)run_case(written(text));
  } catch (const sim::Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a metric is a path into the report") {
  const Json report = {{"a", {{"b", Json::array({1.5, {{"c", 2}}})}}}};
  CHECK(number_at(report, "a.b[0]", "x.yaml:1") == 1.5);
  CHECK(number_at(report, "a.b[1].c", "x.yaml:1") == 2);
  CHECK_THROWS_WITH_AS(number_at(report, "a.d", "x.yaml:1"),
                       "x.yaml:1: metric a.d: the report has no \"d\" there; it has b",
                       sim::ConfigError);
  CHECK_THROWS_WITH_AS(number_at(report, "a.b[2]", "x.yaml:1"),
                       "x.yaml:1: metric a.b[2]: the list is shorter", sim::ConfigError);
  CHECK_THROWS_WITH_AS(number_at(report, "a.b", "x.yaml:1"),
                       "x.yaml:1: metric a.b: that is no number", sim::ConfigError);
}

TEST_CASE("a case without a scenario, or with a tolerance that is none, is refused") {
  const std::string head = "case: x\nsource: {what: a, where: b, read: c}\n";
  CHECK(error_of(head + "measured: []\n").find("says nothing to run; a case has a scenario") !=
        std::string::npos);
  CHECK(error_of(head + "scenario: a.yaml\nmeasured:\n  - {metric: a, value: 1, within: 15}\n")
            .find("expected a tolerance such as 15%, not \"15\"") != std::string::npos);
}

TEST_CASE("the profile of DeepSeek-V3's decode is met") {
  // 2,324 tokens/s a GPU, as published; the tolerance is the case's own.
  const auto results = run_case("validation/cases/deepseek-profile-decode.yaml");
  REQUIRE(results.size() == 1);
  CHECK(results[0].measured == 2324);
  CHECK(results[0].ok);
}
