#include <doctest/doctest.h>

#include "tests/validation/cases/published.h"

TEST_CASE("published steps of other prompts and engines are as near as their cases say") {
  moesim::tests::check_cases("steps");
}
