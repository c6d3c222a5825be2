#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "hardware/device.h"
#include "hardware/kernels/kernels.h"
#include "sim/error.h"
#include "sim/io/csv.h"
#include "tests/support/sanitized.h"
#include "tests/support/temporary_folder.h"
#include "tools/moesim/calibrate/calibrate_commands.h"
#include "tools/moesim/calibrate/calibration.h"
#include "tools/moesim/shipped.h"
#include "workloads/scenario.h"

using namespace moesim;

namespace {

namespace fs = std::filesystem;

// The user's own configurations and the stand-in's faults, for a while.
class Environment {
 public:
  Environment(const fs::path& configs, const std::string& faults) {
    setenv("MOESIM_CONFIGS", configs.c_str(), 1);
    setenv("MOESIM_FAULTS", faults.c_str(), 1);
  }
  ~Environment() {
    unsetenv("MOESIM_CONFIGS");
    unsetenv("MOESIM_FAULTS");
  }
};

struct Outcome {
  sim::ExitCode code;
  std::string out, err;
};

Outcome call(std::map<std::string, std::vector<std::string>> values) {
  values.try_emplace("minutes", std::vector<std::string>{tests::kSanitized ? "20" : "3"});
  values.try_emplace("program", std::vector<std::string>{MOESIM_STAND_IN});
  values.try_emplace("format", std::vector<std::string>{"text"});
  tools::Arguments arguments;
  arguments.values = std::move(values);
  std::ostringstream out, err;
  const sim::ExitCode code = tools::calibrate_run_command().run(arguments, {out, err});
  return {code, out.str(), err.str()};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("one command measures a card, judges its fits, and the device is known by its name") {
  const tests::TemporaryFolder folder;
  const fs::path own = folder.path() / "own", out = folder.path() / "mine";
  const Environment environment(own, "card,node");
  const std::map<std::string, std::vector<std::string>> arguments{
      {"NAME", {"mine"}}, {"base", {"h100"}}, {"output", {out.string()}}, {"power", {""}}};
  const Outcome first = call(arguments);
  CAPTURE(first.err);
  CAPTURE(first.out);
  REQUIRE(first.code == sim::ExitCode::Ok);
  // A fifth of the time is for the checks.
  CHECK(has(first.err, std::string("checking the kernels, ") + (tests::kSanitized ? "4.0" : "0.6") +
                           " minutes at most\nmeasuring, "));
  CHECK(has(first.err, "fitting\n"));

  const auto json = nlohmann::json::parse(sim::io::read_text(out / "summary.json"));
  CHECK(json["card"] == "made-up card");
  CHECK(json["selftest"]["failed"] == 0);
  // The made-up card copies 2.9 TB/s, and 30 launches of 1.9 us are off by 3 % at most.
  CHECK(json["copy_bytes_per_s"].get<double>() == doctest::Approx(2.9e12).epsilon(0.1));
  CHECK(json["launch_us"].get<double>() == doctest::Approx(1.9).epsilon(0.1));
  // Experts by three kernels, dense products by two, attention of both kinds, the router, rows out
  // and back, and four of NCCL.
  REQUIRE(json["fits"].size() == 14);
  std::map<std::string, int> kinds;
  for (const auto& fit : json["fits"]) {
    CAPTURE(fit.dump());
    ++kinds[fit["kind"].get<std::string>()];
    if (fit["kind"] == "moe") {
      CHECK(fit["points"].get<int>() >= 40);
      CHECK(fit["unseen_shapes"]["n"] == (tests::kSanitized ? 64 : 8));  // of so many minutes
      CHECK(fit["unseen_shapes"]["median_percent"].get<double>() < 10);
      // 20 products and layers of the model that nothing was fitted on.
      CHECK(fit["unseen_model"]["n"].get<int>() >= 20);
      CHECK(fit["unseen_model"]["median_percent"].get<double>() < 8);
    } else if (fit["kind"] == "nccl") {
      CHECK(fit["points"] == 18);  // six sizes on 2, 4 and 8 GPUs
    } else {
      // Six shapes of seven rows and one unseen; four kinds of heads with eight caches, or nine
      // kinds of prompts, and one; six routers of five numbers of tokens and three numbers unseen.
      const std::map<std::string, std::pair<int, int>> expected{{"gemm", {42, 7}},
                                                                {"generation_attention", {32, 8}},
                                                                {"context_attention", {36, 9}},
                                                                {"router", {30, 3}},
                                                                {"permute", {30, 3}}};
      const auto& [points, unseen] = expected.at(fit["kind"].get<std::string>());
      CHECK(fit["points"] == points);
      CHECK(fit["unseen_shapes"]["n"] == unseen);
      CHECK(fit["unseen_shapes"]["median_percent"].get<double>() < 15);
      const bool routing = fit["kind"] == "router" || fit["kind"] == "permute";
      CHECK(fit["unseen_model"].is_null() != routing);
      if (routing) {
        CHECK(fit["unseen_model"]["n"] == 5);
        CHECK(fit["unseen_model"]["median_percent"].get<double>() < 15);
      }
    }
  }
  CHECK(kinds == std::map<std::string, int>{{"context_attention", 1},
                                            {"gemm", 2},
                                            {"generation_attention", 1},
                                            {"moe", 3},
                                            {"nccl", 4},
                                            {"permute", 2},
                                            {"router", 1}});
  for (const char* line :
       {"router moesim softmax, fitted on 30 points\n", "permute moesim out, fitted on 30 points\n",
        "permute moesim back, fitted on 30 points\n",
        "context_attention moesim bf16_bf16, fitted on 36 points\n"}) {
    CAPTURE(line);
    CHECK(has(first.out, line));
  }
  CHECK(sim::io::read_text(out / "summary.txt") == first.out);
  CHECK(has(first.out, "  ceilings        copy 2.9"));
  CHECK(has(first.out, "launch in a graph 1.9"));
  CHECK(has(first.out, " us, was 2.4 us\n"));
  // Two of memory and one of each kernel, all of which draw 400 W here.
  CHECK(json["power"]["loads"] == 5);
  CHECK(has(first.out, "fitted on 5 loads; one of them lies off a fit on the others by up to "));
  CHECK(
      has(first.out,
          "  next            moesim run mixtral-8x7b-decode-h100 --set cluster=mine-1x8 --set "
          "kernels.moe=moesim_wgmma --set kernels.gemm=cublaslt --set kernels.attention=moesim\n"));

  // The device says what it is, and has the fits and, from its family, all others.
  const hardware::Device device = hardware::load_device(own / "devices" / "mine.yaml");
  CHECK(device.name == "mine");
  CHECK(device.launch_latency < hardware::load_device("configs/devices/h100.yaml").launch_latency);
  REQUIRE(device.power);
  CHECK(device.power->limit_w == 700);
  CHECK(device.power->memory ==
        doctest::Approx(json["power"]["memory"].get<double>()).epsilon(0.01));
  CHECK(device.power->memory != hardware::load_device("configs/devices/h100.yaml").power->memory);
  int measured = 0;
  for (const auto& model : device.fitted) {
    measured += model.carried_from.empty() ? 1 : 0;
  }
  CHECK(measured == 14);
  CHECK(device.fitted.size() > 14);
  // The next run is priced by what was measured.
  const hardware::Kernels kernels(
      device, {.gemm = "cublaslt", .moe = "moesim_wgmma", .attention = "moesim"});
  CHECK(kernels.router({.tokens = 64, .experts = 8, .top_k = 2}).trust.use->used ==
        "moesim softmax");
  CHECK(kernels.moves_rows());
  CHECK(kernels
            .attention({.batch = 1,
                        .prompt = true,
                        .query_length = 1024,
                        .kv_length = 1024,
                        .heads = 32,
                        .kv_heads = 8})
            .trust.use->used == "moesim bf16_bf16");
  // A scenario's cluster is found by its name; a path is one, whatever is called so.
  const auto cluster = [](const std::string& value) {
    return workloads::load_scenario("configs/scenarios/mixtral-8x7b-decode-h100.yaml",
                                    {"cluster=" + value, "step.count=1"}, tools::shipped())
        .inputs.cluster;
  };
  CHECK(cluster("mine-1x8") == own / "clusters/mine-1x8.yaml");
  CHECK_THROWS_WITH_AS(cluster("mine-1x8.yaml"),
                       "--set: cluster: mine-1x8.yaml: cannot be read: No such file or directory",
                       sim::ConfigError);
  CHECK_THROWS_WITH_AS(cluster("a/mine-1x8"),
                       "--set: cluster: a/mine-1x8: cannot be read: No such file or directory",
                       sim::ConfigError);
  CHECK_THROWS_WITH_AS(
      cluster("mine-1x9"),
      "--set: cluster: \"mine-1x9\" is neither a file nor one of configs/clusters; did you mean "
      "mine-1x1?",
      sim::ConfigError);

  // Started again it has nothing left to measure, and says the same.
  const Outcome again = call(arguments);
  CHECK(again.code == sim::ExitCode::Ok);
  CHECK(again.out == first.out);
  CHECK(has(again.err, "the kernels were checked before\n"));

  // Not with what another card left.
  std::string points = sim::io::read_text(out / "points.csv");
  points.replace(points.find("made-up card"), 12, "another card");
  std::ofstream(out / "points.csv") << points;
  CHECK_THROWS_WITH_AS(
      call(arguments),
      ((out / "points.csv").string() +
       " was measured on \"another card\", and this is \"made-up card\": give another folder with "
       "-o")
          .c_str(),
      sim::ConfigError);

  CHECK_THROWS_WITH_AS(
      call({{"NAME", {"mine"}}, {"base", {"h100"}}, {"output", {out.string()}}}),
      (out.string() +
       " holds a calibration of another plan (--minutes or --power was another): give "
       "those again to go on with it, or another folder with -o")
          .c_str(),
      sim::ConfigError);
}

TEST_CASE(
    "a calibration on no card, or on one that is not known, ends before anything is measured") {
  const tests::TemporaryFolder folder;
  const std::string out = (folder.path() / "mine").string();
  {
    const Environment environment(folder.path() / "own", "none");
    const Outcome none = call({{"NAME", {"mine"}}, {"output", {out}}});
    CHECK(none.code == sim::ExitCode::Skipped);
    CHECK(none.err == "SKIPPED: no GPU to measure on (none was found)\n");
  }
  {
    const Environment environment(folder.path() / "own", "old_driver");
    const Outcome old = call({{"NAME", {"mine"}}, {"output", {out}}});
    CHECK(old.code == sim::ExitCode::Failed);
    CHECK(old.err == "moesim-gpu: the GPU cannot be used: it is too old\n");
  }
  {
    const Environment environment(folder.path() / "own", "card");
    CHECK_THROWS_WITH_AS(
        call({{"NAME", {"mine"}}, {"output", {out}}}),
        "no device that ships is known for \"made-up card\": name the nearest with "
        "--base, such as h100",
        sim::ConfigError);
    CHECK_THROWS_WITH_AS(call({{"NAME", {"h100"}}, {"output", {out}}}),
                         "NAME: a device \"h100\" ships already: call yours my-h100",
                         sim::ConfigError);
    CHECK_THROWS_WITH_AS(call({{"NAME", {"My H100"}}, {"output", {out}}}),
                         "NAME: expected small letters, digits, - and _, such as my-h100, not \"My "
                         "H100\"",
                         sim::ConfigError);
  }
  {
    const Environment environment(folder.path() / "own", "card");
    CHECK_THROWS_WITH_AS(call({{"NAME", {"mine"}}, {"base", {"h1000"}}, {"output", {out}}}),
                         doctest::Contains("--base: there is no file and no device \"h1000\"; the "
                                           "devices are a100, a800, "),
                         sim::ConfigError);
    CHECK_FALSE(fs::exists(out));
    const tools::FolderLock another(out);
    CHECK_THROWS_WITH_AS(call({{"NAME", {"mine"}}, {"base", {"h100"}}, {"output", {out}}}),
                         ("another calibration is at work in " + out +
                          ": wait for it, or give another folder with -o")
                             .c_str(),
                         sim::ConfigError);
    CHECK(fs::is_empty(out));
    fs::remove(out);
    const std::string below = (folder.file("no folder", "") / "mine").string();
    CHECK_THROWS_WITH_AS(
        call({{"NAME", {"mine"}}, {"base", {"h100"}}, {"output", {below}}}),
        (below + " cannot be made a folder of a calibration: Not a directory").c_str(),
        sim::ConfigError);
  }
  {
    // The device's place is looked at before anything is measured.
    const fs::path file = folder.path() / "file";
    std::ofstream(file) << "no folder\n";
    const Environment environment(file, "card");
    CHECK_THROWS_WITH_AS(call({{"NAME", {"mine"}}, {"base", {"h100"}}, {"output", {out}}}),
                         ("the device cannot go to " + (file / "devices").string() +
                          ": Not a directory: MOESIM_CONFIGS names another place")
                             .c_str(),
                         sim::ConfigError);
  }
  {
    const Environment environment(folder.path() / "own", "card");
    const Outcome silent =
        call({{"NAME", {"mine"}}, {"output", {out}}, {"program", {"/bin/false"}}});
    CHECK(silent.code == sim::ExitCode::Failed);
    CHECK(silent.err == "/bin/false ended with 1 and said nothing of a GPU: is it moesim-gpu?\n");
  }
  CHECK_FALSE(fs::exists(out));
}

TEST_CASE("a program that is none is told so") {
  CHECK_THROWS_WITH_AS(tools::find_gpu_program("/nowhere/moesim-gpu"),
                       "--program: /nowhere/moesim-gpu is no program", sim::ConfigError);
  const tests::TemporaryFolder folder;
  const fs::path file = folder.path() / "text";
  std::ofstream(file) << "no program\n";
  fs::permissions(file, fs::perms::owner_all);
  const auto ignore = [](const std::string&) {};
  CHECK_THROWS_WITH_AS(tools::run_program(file, {}, ignore),
                       (file.string() + " cannot be started: Exec format error").c_str(),
                       sim::ConfigError);
}

TEST_CASE("what a program writes comes line by line, from both streams, and its exit code") {
  const tests::TemporaryFolder folder;
  const fs::path file = folder.path() / "speaks";
  std::ofstream(file) << "#!/bin/sh\necho one\necho two $1 >&2\nprintf three\nexit 9\n";
  fs::permissions(file, fs::perms::owner_all);
  std::vector<std::string> lines;
  const int code =
      tools::run_program(file, {"2"}, [&](const std::string& line) { lines.push_back(line); });
  CHECK(code == 9);
  CHECK(lines == std::vector<std::string>{"one", "two 2", "three"});
  std::ofstream(file) << "#!/bin/sh\nkill -9 $$\n";
  CHECK(tools::run_program(file, {}, [](const std::string&) {}) == 137);
}
