#include "workloads/routing/trace/missing.h"

#include <doctest/doctest.h>

#include "sim/error.h"

using namespace moesim::workloads;
using moesim::sim::InputError;

namespace {

const std::string kWhatWouldDo =
    "record them, say routing.missing: drop if the router dropped them, or draw tokens from the "
    "loads (moesim trace export --to counts, then import --from counts)";

std::optional<std::string> note(std::int64_t missing, std::int64_t all,
                                MissingMapping mapping = MissingMapping::Refuse) {
  return note_of_missing({.all = all, .missing = missing}, "a/t.h5", {.missing = mapping});
}

}  // namespace

TEST_CASE("nothing is said where no selection is missing") {
  CHECK_FALSE(note(0, 100).has_value());
  CHECK_FALSE(note(0, 0).has_value());  // a law, or a model without experts
}

TEST_CASE("the first missing selection is said") {
  CHECK(note(1, 128) ==
        "1 of 128 selections (0.781 %) are missing in the trace: their experts are not computed, "
        "nor their tokens sent; " +
            kWhatWouldDo);
  CHECK(
      note(1, 100'000'000).value().starts_with("1 of 100000000 selections (1e-06 %) are missing"));
}

TEST_CASE("more than 5 % of missing selections are refused") {
  CHECK(note(5, 100).value().starts_with("5 of 100 selections (5 %) are missing in the trace:"));
  CHECK_THROWS_WITH_AS(note(6, 100),
                       ("a/t.h5: /expert_ids: 6 of 100 selections (6 %) that the steps take are "
                        "missing, and their experts would cost nothing; at most 5 % may be: " +
                        kWhatWouldDo)
                           .c_str(),
                       InputError);
  CHECK_THROWS_AS(note(50'001, 1'000'000), InputError);
  CHECK_THROWS_AS(note(960, 960), InputError);
}

TEST_CASE("selections that the router dropped may be any number, and are said") {
  CHECK(note(50, 100, MissingMapping::Drop) ==
        "50 of 100 selections (50 %) are missing in the trace, as dropped by the router: they cost "
        "nothing");
  CHECK_FALSE(note(0, 100, MissingMapping::Drop).has_value());
}
