#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/temporary_folder.h"
#include "tools/moesim/command.h"

using namespace moesim;

namespace {

// The exit code of `moesim validate cases FILE`, and what it printed.
sim::ExitCode validate(const std::filesystem::path& file, const std::string& format,
                       std::string& printed) {
  for (const tools::Command& command : tools::commands()) {
    if (command.name != "validate cases") continue;
    tools::Arguments arguments;
    arguments.values = {{"FILE", {file.string()}}, {"format", {format}}};
    std::ostringstream out, err;
    const sim::ExitCode code = command.run(arguments, {out, err});
    printed = out.str();
    return code;
  }
  throw std::runtime_error("no command validate cases");
}

}  // namespace

TEST_CASE("validating cases fails where one is not as its file says, be it worse or better") {
  // 93.4 GB predicted, 5 % allowed.
  const tests::TemporaryFolder folder;
  const auto ends = [&](const std::string& rest, std::string& printed) {
    const auto file = folder.file(
        "case.yaml", "case: mixtral\nsource: {what: a, where: b, read: c}\ncard: {model: " +
                         std::filesystem::absolute("configs/models/mixtral-8x7b.yaml").string() +
                         "}\nmeasured: [{metric: weight_bytes.bf16, within: 5%, " + rest + "}]\n");
    return validate(file, "text", printed);
  };
  std::string printed;
  CHECK(ends("value: 90e9", printed) == sim::ExitCode::Ok);
  CHECK(ends("value: 80e9", printed) == sim::ExitCode::Failed);
  CHECK(printed.find("  MISSED\n") != std::string::npos);
  CHECK(ends("value: 80e9, known_miss: other units", printed) == sim::ExitCode::Ok);
  CHECK(printed.find("  missed, as known\n    other units\n") != std::string::npos);
  CHECK(ends("value: 90e9, known_miss: other units", printed) == sim::ExitCode::Failed);
  CHECK(printed.find("  MET, BUT LISTED AS A MISS\n") != std::string::npos);
}

TEST_CASE("in JSON a known miss stands beside whether the figure is within its tolerance") {
  std::string printed;
  CHECK(validate("validation/cases/exchange-pplx-h200-ep8.yaml", "json", printed) ==
        sim::ExitCode::Ok);
  const auto json = nlohmann::json::parse(printed);
  CHECK(json["cases"][0]["ok"] == false);
  CHECK(
      json["cases"][0]["known_miss"].get<std::string>().starts_with("pplx has kernels of its own"));
  CHECK(json["cases"][1]["ok"] == true);
  CHECK_FALSE(json["cases"][1].contains("known_miss"));
}

TEST_CASE("steps, TFLOPS and MFU of training are a kind of their own") {
  std::string printed;
  (void)validate("validation/cases/training-folding-mixtral8x22b-h100.yaml", "json", printed);
  const auto json = nlohmann::json::parse(printed);
  REQUIRE(json["by_kind"].size() == 1);
  CHECK(json["by_kind"][0]["kind"] == "training");
  CHECK(json["by_kind"][0]["n"] == json["n"]);
}
