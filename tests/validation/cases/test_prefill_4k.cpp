#include <doctest/doctest.h>

#include "tests/validation/cases/published.h"

TEST_CASE("published prefill steps of 4K prompts are as near as their cases say") {
  moesim::tests::check_cases("prefill_4k");
}
