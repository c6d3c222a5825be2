// What moesim-gpu found on real cards (validation/measured), played through the one command that
// makes a device of it: the devices that ship (configs/devices/*.measured.yaml) and the summaries
// are what comes out. MOESIM_UPDATE_GOLDEN=1 writes them anew, with a commit that says what moved
// and why.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "sim/io/atomic_file.h"
#include "sim/io/csv.h"
#include "tests/support/call_command.h"
#include "tests/support/temporary_folder.h"
#include "tools/moesim/calibrate/calibrate_commands.h"

using namespace moesim;

namespace {

namespace fs = std::filesystem;

// A moesim-gpu that says again what it said on the card.
std::string player(const fs::path& recorded, sim::ExitCode code) {
  return "#!/bin/sh\nrecorded=" + fs::absolute(recorded).string() +
         "\ncode=" + std::to_string(static_cast<int>(code)) + R"(
case $1 in
  info) cat "$recorded/info.txt" ;;
  selftest) while [ $# -gt 0 ]; do [ "$1" = --json ] && cp "$recorded/selftest.json" "$2"; shift; done; true ;;
  run) while [ $# -gt 0 ]; do [ "$1" = --out ] && cp "$recorded/points.csv" "$2"; shift; done; exit $code ;;
esac
)";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

void keep_or_compare(const fs::path& file, const std::string& text) {
  CAPTURE(file.string());
  if (std::getenv("MOESIM_UPDATE_GOLDEN") != nullptr) sim::io::write_file(file, text);
  CHECK(sim::io::read_text(file) == text);
}

// `code`: that the run on the card ended with; Partial where its time did not suffice for all
// points. REQUIRES: `recorded` lies in validation/measured, and its points are of the plan of
// `minutes`
void play(const std::string& recorded, const std::string& base, const char* minutes,
          sim::ExitCode code) {
  const tests::TemporaryFolder folder;
  const fs::path run = fs::path("validation/measured") / recorded;
  const fs::path program = folder.file("moesim-gpu", player(run, code));
  fs::permissions(program, fs::perms::owner_all);
  const fs::path own = folder.path() / "own", out = folder.path() / "out";
  setenv("MOESIM_CONFIGS", own.c_str(), 1);
  const auto called =
      tests::call(tools::calibrate_run_command(), {{"NAME", {"as-recorded"}},
                                                   {"minutes", {minutes}},
                                                   {"output", {out.string()}},
                                                   {"program", {program.string()}}});
  unsetenv("MOESIM_CONFIGS");
  CAPTURE(called.err);
  REQUIRE(called.code == code);

  const std::string name = base + ".measured";
  const auto shipped = [&](const std::string& text) {
    const std::string family = fs::absolute("configs/devices/" + base).lexically_normal().string();
    return replaced(replaced(text, family, base), "as-recorded", name);
  };
  const auto made = [&](const std::string& file) {
    return shipped(sim::io::read_text(own / "devices" / ("as-recorded" + file)));
  };
  keep_or_compare("configs/devices/" + name + ".yaml", made(".yaml"));
  keep_or_compare("configs/devices/" + name + ".fitted.yaml", made(".fitted.yaml"));
  for (const char* gpus : {"-1x1", "-1x2", "-1x4", "-1x8"}) {
    const auto cluster =
        sim::io::read_text(own / "clusters" / (std::string("as-recorded") + gpus + ".yaml"));
    keep_or_compare("configs/clusters/" + name + gpus + ".yaml", shipped(cluster));
  }
  // Where the device lies here is nothing to keep.
  std::string summary = shipped(called.out);
  summary.resize(summary.find("  device          "));
  keep_or_compare(run / "summary.txt", summary);
}

}  // namespace

TEST_CASE("an H100's points make the device h100.measured") {
  play("h100-2026-11-28", "h100", "8", sim::ExitCode::Partial);
}

TEST_CASE("an H200's points make the device h200.measured") {
  play("h200-2026-11-28", "h200", "3", sim::ExitCode::Ok);
}
