// Are the figures in the READMEs those that the tests found? MOESIM_UPDATE_GOLDEN=1 writes them
// (CONTRIBUTING.md has the one command that makes all of them anew).
#include <doctest/doctest.h>

#include <cstdlib>
#include <set>
#include <string>

#include "sim/io/atomic_file.h"
#include "sim/io/csv.h"
#include "tests/docs/figures.h"
#include "tests/docs/markdown.h"

using namespace moesim;
using namespace moesim::tests;

namespace moesim::tests {

Figures all_figures() {
  Figures figures;
  add_card_figures(figures);
  add_case_figures(figures);
  add_host_figures(figures);
  add_fit_figures(figures);
  add_report_figures(figures);
  return figures;
}

}  // namespace moesim::tests

TEST_CASE("every figure that a README marks is what the tests found") {
  const Figures figures = all_figures();
  const bool update = std::getenv("MOESIM_UPDATE_GOLDEN") != nullptr;
  std::set<std::string> used;
  for (const auto& file : markdown_files()) {
    const std::string text = sim::io::read_text(file);
    std::string fresh;
    std::size_t at = 0;
    for (const MadePart& part : made_parts(text)) {
      INFO(file.string(), ":", part.line, ": ", part.name);
      const auto figure = figures.find(part.name);
      REQUIRE(figure != figures.end());
      used.insert(part.name);
      const std::string made = figure->second();
      if (!update) CHECK(text.substr(part.begin, part.end - part.begin) == made);
      fresh += text.substr(at, part.begin - at) + made;
      at = part.end;
    }
    fresh += text.substr(at);
    if (update && fresh != text) sim::io::write_file(file, fresh);
  }
  for (const auto& figure : figures) {
    INFO("no README has the figure \"", figure.first, "\"");
    CHECK(used.contains(figure.first));
  }
}

TEST_CASE("a made part lies between its marks, on one line or over several") {
  const std::string text =
      "a <!-- made: x y -->1<!-- end --> b\n<!-- made: z -->\n2\n<!-- end -->\n";
  const auto parts = made_parts(text);
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].name == "x y");
  CHECK(text.substr(parts[0].begin, parts[0].end - parts[0].begin) == "1");
  CHECK(parts[1].line == 2);
  CHECK(text.substr(parts[1].begin, parts[1].end - parts[1].begin) == "\n2\n");
  CHECK_THROWS_WITH(made_parts("\n<!-- made: x -->1"), "line 2: a made part that does not end");
  CHECK_THROWS_WITH(made_parts("<!-- made: x --> <!-- made: y --> <!-- end -->"),
                    "line 1: a made part that does not end");
  CHECK_THROWS_WITH(made_parts("1<!-- end -->"), "line 1: an end of nothing");
}
