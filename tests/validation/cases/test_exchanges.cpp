#include <doctest/doctest.h>

#include "tests/validation/cases/published.h"

TEST_CASE("published exchanges of tokens are as near as their cases say") {
  moesim::tests::check_cases("exchanges");
}
