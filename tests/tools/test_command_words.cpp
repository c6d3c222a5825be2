#include <doctest/doctest.h>

#include "tools/moesim/command.h"

namespace {

std::string wrong_command(const std::vector<std::string>& words) {
  return moesim::tools::wrong_command(moesim::tools::commands(), words);
}

}  // namespace

TEST_CASE("a command that there is not is named, with the one that was meant") {
  CHECK(wrong_command({"runn"}) == "there is no command \"runn\"; did you mean \"run\"?");
  CHECK(wrong_command({"trace", "inf"}) ==
        "there is no command \"trace inf\"; did you mean \"trace info\"?");
  CHECK(wrong_command({"validate", "tabel", "gemm"}) ==
        "there is no command \"validate tabel\"; did you mean \"validate table\"?");
  CHECK(wrong_command({"serve-everything"}) == "there is no command \"serve-everything\"");
}

TEST_CASE("words that name a command, or stop short of one, are not wrong") {
  CHECK(wrong_command({"run", "no-such-file.yaml"}).empty());
  CHECK(wrong_command({"trace"}).empty());
  CHECK(wrong_command({"trace", "info"}).empty());
  CHECK(wrong_command({}).empty());
}
