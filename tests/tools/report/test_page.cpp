#include "tools/report/page.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace moesim::tools;
using nlohmann::ordered_json;

TEST_CASE("a page's JSON has what the page shows, numbers to four digits") {
  Page page{.kind = "run", .title = "t", .what = "w", .answer = "a", .warnings = {"take care"}};
  page.sections.push_back({.title = "Time",
                           .text = {"of all"},
                           .figures = {{.title = "f",
                                        .sentence = "s",
                                        .chart = Bars{.unit = "ms",
                                                      .categories = {"x"},
                                                      .series = {{"one", {{1.23456, "1.235 ms"}}}},
                                                      .limit = Figured{2, "2 ms"}},
                                        .table = Table{{"what", "ms"}, {{"x", "1.235 ms"}}}}}});
  CHECK(to_json(page, {{"steps", 4}}) == ordered_json::parse(R"({
    "kind": "run", "title": "t", "what": "w", "answer": "a", "warnings": ["take care"],
    "sections": [{"title": "Time", "text": ["of all"], "figures": [{
      "title": "f", "sentence": "s", "note": "",
      "chart": {"type": "bars", "unit": "ms", "categories": ["x"],
                "series": [{"name": "one", "values": [1.235], "texts": ["1.235 ms"]}],
                "stacked": false, "running": false, "limit": {"value": 2.0, "text": "2 ms"}},
      "table": {"columns": ["what", "ms"], "rows": [["x", "1.235 ms"]]}}]}],
    "report": {"steps": 4}})"));
}

TEST_CASE("a long line keeps every so many of its points") {
  // 2,500 points, of 1,000 at most: every third, 834 of them (0, 3 … 2,499).
  Lines chart{.x = {.name = "x"}, .y = {.name = "y"}, .series = {{"one", {}}}};
  for (int i = 0; i < 2500; ++i) chart.series[0].points.push_back({double(i), 1, ""});
  const ordered_json json = to_json(
      Page{.sections = {{.title = "s", .figures = {{.title = "f", .chart = chart}}}}}, nullptr);
  const auto& points = json["sections"][0]["figures"][0]["chart"]["series"][0]["points"];
  CHECK(points.size() == 834);
  CHECK(points[1][0] == 3);
}

TEST_CASE("an axis of logarithms leaves out what is not above zero") {
  Lines chart{.x = {.name = "x", .log = true},
              .y = {.name = "y"},
              .series = {{"one", {{0, 1, "a"}, {1, 0, "b"}, {2, 3, "c"}}}}};
  const auto points = [](const Lines& lines) {
    return to_json(Page{.sections = {{.title = "s", .figures = {{.title = "f", .chart = lines}}}}},
                   nullptr)["sections"][0]["figures"][0]["chart"]["series"][0];
  };
  CHECK(points(chart)["texts"] == ordered_json{"b", "c"});
  chart.y.log = true;
  CHECK(points(chart)["texts"] == ordered_json{"c"});
}

TEST_CASE("neighbours of a map that is too large are put together by their mean") {
  Heat small{
      .x = "x", .y = "y", .unit = "", .columns = {"0", "1"}, .rows = {"0"}, .values = {1, 3}};
  CHECK(binned(small).first.values == std::vector<double>{1, 3});
  CHECK(binned(small).second == "");
  // 300 columns of at most 256: pairs. 129 rows of at most 128: pairs, the last alone.
  Heat large{.x = "x", .y = "y", .unit = "", .columns = {}, .rows = {}, .values = {}};
  for (int c = 0; c < 300; ++c) large.columns.push_back(std::to_string(c));
  for (int r = 0; r < 129; ++r) {
    large.rows.push_back(std::to_string(r));
    for (int c = 0; c < 300; ++c) large.values.push_back(r + 2 * c);
  }
  const auto [map, note] = binned(large);
  CHECK(note == "A cell is the mean of 2 x 2 of 129 x 300.");
  CHECK(map.columns.size() == 150);
  CHECK(map.rows.size() == 65);
  CHECK(map.columns[1] == "2 to 3");
  CHECK(map.rows[64] == "128");
  // Rows 0 and 1, columns 2 and 3: the mean of 4, 6, 5, 7.
  CHECK(map.values[1] == 5.5);
  // Row 128 alone, columns 0 and 1: the mean of 128 and 130.
  CHECK(map.values[std::size_t{64} * 150] == 129);
}
