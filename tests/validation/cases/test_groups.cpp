#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "tests/validation/cases/published.h"

using namespace moesim::tests;

TEST_CASE("every case that ships is in one group, and every group has its test") {
  std::size_t cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator("validation/cases")) {
    const std::string name = entry.path().filename().string();
    CAPTURE(name);
    CHECK(name.ends_with(".yaml"));
    std::ptrdiff_t groups = 0;
    for (const CaseGroup& group : case_groups()) {
      groups += std::ranges::count_if(
          group.prefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
    }
    CHECK(groups == 1);
    ++cases;
  }
  CHECK(cases > 80);
  for (const CaseGroup& group : case_groups()) {
    CAPTURE(group.name);
    CHECK(
        std::filesystem::exists("tests/validation/cases/test_" + std::string(group.name) + ".cpp"));
  }
}
