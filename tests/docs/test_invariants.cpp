// Is each invariant of docs/invariants.md held by the test that it names?
#include <doctest/doctest.h>

#include <filesystem>
#include <regex>
#include <set>
#include <string>

#include "sim/io/csv.h"
#include "tests/docs/markdown.h"

using namespace moesim;
using namespace moesim::tests;

namespace {

// The names of a file's test cases, however a formatter has cut them.
std::set<std::string> cases_of(const std::string& source) {
  static const std::regex kCut("\"\\s*\n\\s*\""), kCase("TEST_CASE\\(\\s*\"([^\"]*)\"");
  const std::string joined = std::regex_replace(source, kCut, "");
  std::set<std::string> names;
  for (std::sregex_iterator at(joined.begin(), joined.end(), kCase), end; at != end; ++at)
    names.insert((*at)[1].str());
  return names;
}

}  // namespace

TEST_CASE("every invariant names a test that there is") {
  // A row: | what always holds | `file`: "case" | what taught it |
  static const std::regex kTest("`(tests/[^`]*\\.cpp)`: \"([^\"]+)\"");
  std::size_t rows = 0;
  for (const std::string& line : lines_of(sim::io::read_text("docs/invariants.md"))) {
    if (!line.starts_with("| ") || line.starts_with("| what ")) continue;
    CAPTURE(line);
    ++rows;
    std::smatch test;
    if (!std::regex_search(line, test, kTest)) {
      // Not in C++: a CTest or a script by its path, which docs/links looks for.
      CHECK(line.find("| `") != std::string::npos);
      continue;
    }
    REQUIRE(std::filesystem::exists(test[1].str()));
    CHECK(cases_of(sim::io::read_text(test[1].str())).contains(test[2].str()));
  }
  CHECK(rows > 30);
}

TEST_CASE("a case's name is whole, wherever its line was cut") {
  CHECK(cases_of("TEST_CASE(\"one\") {\nTEST_CASE(\n    \"two \"\n    \"three\") {") ==
        std::set<std::string>{"one", "two three"});
}
