#include <doctest/doctest.h>

#include "tests/validation/cases/published.h"

TEST_CASE("published decode steps of SGLang's deployments are as near as their cases say") {
  moesim::tests::check_cases("decode");
}
