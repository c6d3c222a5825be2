#include "tools/report/number_text.h"

#include <doctest/doctest.h>

using namespace moesim::tools;

TEST_CASE("numbers of a page are written with their units and in groups of three") {
  CHECK(time_text(12417.78) == "12.42 ms");
  CHECK(bytes_text(85520809984.0) == "85.52 GB");
  CHECK(percent_text(0.4772) == "47.7 %");
  CHECK(factor_text(1.3075) == "1.31");
  CHECK(count_text(0) == "0");
  CHECK(count_text(999) == "999");
  CHECK(count_text(1000) == "1,000");
  CHECK(count_text(20615.6) == "20,616");
  CHECK(count_text(-1234567) == "-1,234,567");
  CHECK(count_text(-0.2) == "0");
}

TEST_CASE("a while is in seconds, minutes or hours") {
  CHECK(while_text(30) == "30 s");
  CHECK(while_text(119.94) == "120 s");
  CHECK(while_text(120) == "2.0 min");
  CHECK(while_text(2308) == "38.5 min");
  CHECK(while_text(7199) == "120.0 min");
  CHECK(while_text(7200) == "2.0 h");
}

TEST_CASE("an axis of times is in the largest unit that its end has one of") {
  CHECK(time_unit(999.9).name == std::string("us"));
  CHECK(time_unit(1000).us == 1e3);
  CHECK(time_unit(1e6).name == std::string("s"));
}
