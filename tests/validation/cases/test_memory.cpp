#include <doctest/doctest.h>

#include "tests/validation/cases/published.h"

TEST_CASE(
    "published memory of serving and training, and counts of models are as near as their cases "
    "say") {
  moesim::tests::check_cases("memory");
}
