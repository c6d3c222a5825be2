// Which rows of a run are pointed at.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "validation/calibrate/import_outliers.h"

using namespace moesim::validation;
using Notes = std::vector<std::string>;

namespace {

// Rows of 1, 2, 4, … bytes with these times; where the notes point, from 0.
std::vector<int> pointed_at(const std::vector<double>& times) {
  std::vector<TimedSize> rows;
  for (std::size_t i = 0; i < times.size(); ++i) {
    rows.push_back({std::to_string(i), static_cast<double>(1 << i), times[i], "x"});
  }
  Notes notes;
  point_at_outliers(rows, &notes);
  std::vector<int> places;
  for (const std::string& line : notes) places.push_back(std::stoi(line));
  std::ranges::sort(places);
  return places;
}

using Places = std::vector<int>;

}  // namespace

TEST_CASE("times that grow between not at all and in proportion are a curve") {
  // A latency of 10, then 10 a step of two; the step of a protocol costs less than twice.
  CHECK(pointed_at({10, 10, 10, 11, 20, 40, 80, 160}).empty());
  CHECK(pointed_at({10, 10, 18, 18, 20, 40, 75, 140}).empty());
  CHECK(pointed_at({16, 10, 10, 11}).empty());
  CHECK(pointed_at({}).empty());
  CHECK(pointed_at({5}).empty());
}

TEST_CASE("a row too slow or too fast is found, in the middle and at the ends") {
  CHECK(pointed_at({10, 10, 10, 100, 20, 40, 80, 160}) == Places{3});
  CHECK(pointed_at({10, 10, 10, 11, 2, 40, 80, 160}) == Places{4});
  CHECK(pointed_at({100, 10, 10, 11, 20, 40, 80, 160}) == Places{0});
  CHECK(pointed_at({1, 10, 10, 11, 20, 40, 80, 160}) == Places{0});
  CHECK(pointed_at({10, 10, 10, 11, 20, 40, 80, 1600}) == Places{7});
  CHECK(pointed_at({10, 10, 10, 11, 20, 40, 80, 16}) == Places{7});
}

TEST_CASE("two rows beside each other do not hide one another") {
  CHECK(pointed_at({10, 10, 10, 11, 200, 400, 80, 160, 320, 640}) == Places{4, 5});
}

TEST_CASE("what changes once for all larger sizes is no outlier") {
  // Three on either side contradict each row at the step: half of six, not more.
  CHECK(pointed_at({10, 20, 40, 80, 500, 1000, 2000, 4000}).empty());
}

TEST_CASE("of three rows one is enough, and of two that are alone the slow one is the odd one") {
  // 172 us for 8 MiB go with 2 us for 1 byte, but are less than 174 us for 2.
  Notes notes;
  point_at_outliers({{"a", 1, 2, "2 us"}, {"b", 2, 174, "174 us"}, {"c", 8388608, 172, "172 us"}},
                    &notes);
  CHECK(notes == Notes{"b: an outlier? 174 us for 2 bytes, but 2 us for 1 and 172 us for 8388608"});
  CHECK(pointed_at({2, 174, 172}) == Places{0});  // two against one
  CHECK(pointed_at({2, 40}) == Places{1});
  CHECK(pointed_at({40, 2}) == Places{0});
  CHECK(pointed_at({2, 4}).empty());
}

TEST_CASE("a size several times is compared with itself, whatever the order of the rows") {
  Notes notes;
  point_at_outliers(
      {{"c", 8, 10, "10 us"}, {"a", 4, 10, "10 us"}, {"b", 4, 30, "30 us"}, {"d", 4, 11, "11 us"}},
      &notes);
  CHECK(notes == Notes{"b: an outlier? 30 us for 4 bytes, but 10 us for 4 and 11 us for 4"});
}
