// A trace whose selections are missing, or are no selections, through the commands that read one.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/error.h"
#include "sim/io/hdf5_file.h"
#include "sim/io/json.h"
#include "tests/support/call_command.h"
#include "tests/support/page_data.h"
#include "tests/workloads/routing/trace_files.h"
#include "tools/moesim/placement/placement_command.h"
#include "tools/moesim/trace/trace_commands.h"

namespace moesim::tools {
Command run_command();
}  // namespace moesim::tools

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::Called;
using moesim::tests::Folder;
using moesim::tests::Values;
using sim::InputError;
using workloads::ExpertId;
constexpr ExpertId no = workloads::kMissingExpert;

namespace {

// Both streams of a command that ends well.
Called call(const Command& command, Values values) {
  Called called = tests::call(command, std::move(values));
  CHECK(called.code == sim::ExitCode::Ok);
  return called;
}

// 64 tokens, 1 layer, top-2 of 8, with every pair of neighbours alike; the first choices of the
// first `missing` tokens are not recorded.
std::string trace(const Folder& folder, std::uint32_t missing) {
  std::vector<ExpertId> ids;
  for (std::uint32_t t = 0; t < 64; ++t) {
    ids.push_back(t < missing ? no : t % 8);
    ids.push_back((t + 1) % 8);
  }
  moesim::tests::write_trace(folder / "t.h5", 1, 8, 2, ids);
  return (folder / "t.h5").string();
}

// The same with a number that is no expert: expert 8 of 8, first choice of token 5.
std::string damaged(const Folder& folder) {
  sim::io::Hdf5Writer file(folder / "t.h5");
  file.attribute("format", std::string("moe-routing-trace"));
  file.attribute("version", std::int64_t{1});
  file.attribute("num_experts", std::int64_t{8});
  file.attribute("top_k", std::int64_t{2});
  std::vector<std::int32_t> ids;
  for (int t = 0; t < 64; ++t) {
    ids.push_back(t == 5 ? 8 : t % 8);
    ids.push_back((t + 1) % 8);
  }
  const std::uint64_t row[] = {1, 2};
  file.append(file.create("/expert_ids", sim::io::Hdf5Writer::Stored::U1, row),
              std::span<const std::int32_t>(ids));
  file.close();
  return (folder / "t.h5").string();
}

constexpr const char* kDamage =
    ": /expert_ids: [5, 0, 0]: expected an expert, 0 to 7, or 255 for a missing one, not 8";

std::string config(const std::string& name) {
  return std::filesystem::absolute("configs/" + name).string();
}

// Two steps of 32 tokens on 8 GPUs: all 64 tokens, in each of 32 layers.
Values run_of(const Folder& folder, const std::string& file, const std::string& more = "") {
  std::ofstream(folder / "s.yaml") << "name: t\nmodel: " << config("models/mixtral-8x7b.yaml")
                                   << "\ncluster: " << config("clusters/h100-1x8.yaml")
                                   << "\nparallelism: {dp: 8, ep: 8}\nrouting: {trace: " << file
                                   << ", layers: cycle" << more << "}\nnetwork: bound\n"
                                   << "step: {phase: decode, batch_per_rank: 4, context: 128, "
                                      "count: 2}\n";
  return {{"SCENARIO", {(folder / "s.yaml").string()}}};
}

Values placement_of(const std::string& file) {
  return {{"TRACE", {file}},
          {"MODEL", {"configs/models/mixtral-8x7b.yaml"}},
          {"CLUSTER", {"configs/clusters/h100-1x8.yaml"}},
          {"placement", {"linear"}},
          {"set", {"routing.layers=cycle", "network=bound"}},
          {"tokens", {"4"}},
          {"windows", {"2"}}};
}

Values compare_of(const std::string& file) {
  Values values = placement_of(file);
  values["TRACE"] = {file, file};
  values["model"] = values["MODEL"];
  values["cluster"] = values["CLUSTER"];
  return values;
}

constexpr const char* kWhatWouldDo =
    "record them, say routing.missing: drop if the router dropped them, or draw tokens from the "
    "loads (moesim trace export --to counts, then import --from counts)";

}  // namespace

TEST_CASE("experts of missing selections are not free in silence") {
  const Folder folder;
  // One of 64 x 2 choices, in each of 32 layers.
  const std::string note =
      std::string(
          "32 of 4096 selections (0.781 %) are missing in the trace: their experts are not "
          "computed, nor their tokens sent; ") +
      kWhatWouldDo;
  Values values = run_of(folder, trace(folder, 1));
  CHECK(call(run_command(), values).out.find(note) != std::string::npos);
  values["format"] = {"json"};
  const auto json = sim::io::parse_json(call(run_command(), values).out, "report");
  const auto notes = json.at("notes").get<std::vector<std::string>>();
  CHECK(std::find(notes.begin(), notes.end(), note) != notes.end());
  // And no word where nothing is missing.
  values = run_of(folder, trace(folder, 0));
  CHECK(call(run_command(), values).out.find("missing") == std::string::npos);
}

TEST_CASE("a run whose trace lacks more than 5 % of the selections is refused") {
  const Folder folder;
  // 6 of 128 are 4.69 %, 7 are 5.47 %.
  CHECK(call(run_command(), run_of(folder, trace(folder, 6))).out.find("(4.69 %)") !=
        std::string::npos);
  const std::string file = trace(folder, 7);
  const std::string refusal =
      file +
      ": /expert_ids: 224 of 4096 selections (5.47 %) that the steps take are missing, and their "
      "experts would cost nothing; at most 5 % may be: " +
      kWhatWouldDo;
  CHECK_THROWS_WITH_AS(call(run_command(), run_of(folder, file)), refusal.c_str(), InputError);
  // What the router dropped costs nothing indeed.
  CHECK(call(run_command(), run_of(folder, file, ", missing: drop"))
            .out.find("224 of 4096 selections (5.47 %) are missing in the trace, as dropped by the "
                      "router: they cost nothing") != std::string::npos);
}

TEST_CASE("a trace of which nothing was recorded is refused by all that play it") {
  const Folder folder;
  // Second choices, too: written over again.
  moesim::tests::write_trace(folder / "t.h5", 1, 8, 2, std::vector<ExpertId>(128, no));
  const std::string file = (folder / "t.h5").string();
  const std::string refusal = file + ": /expert_ids: ";
  for (const auto& [command, values] : {std::pair{run_command(), run_of(folder, file)},
                                        {placement_command(), placement_of(file)},
                                        {trace_compare_command(), compare_of(file)}}) {
    const std::string name = command.name;  // clang 14 captures no binding
    CAPTURE(name);
    try {
      call(command, values);
      FAIL("nothing was thrown");
    } catch (const InputError& error) {
      const std::string message = error.what();
      CHECK(message.starts_with(refusal));
      CHECK(message.find("(100 %) that the steps take are missing") != std::string::npos);
    }
  }
  CHECK_THROWS_WITH_AS(call(trace_fit_command(), {{"TRACE", {file}}}),
                       (file + ": /expert_ids: has no selection, so there is no law").c_str(),
                       InputError);
}

TEST_CASE("what describes a trace or compares placements on it says what is missing") {
  const Folder folder;
  const std::string file = trace(folder, 3);
  const std::string line = file + ": 3 of 128 selections (2.34 %) are missing\n";
  const auto info = call(trace_info_command(), {{"TRACE", {file}}});
  CHECK(info.out.find(
            "  3 of 128 selections (2.34 %) are missing: what follows is of the others\n") !=
        std::string::npos);
  const auto json = sim::io::parse_json(
      call(trace_info_command(), {{"TRACE", {file}}, {"format", {"json"}}}).out, "info");
  CHECK(json.at("missing") == 3);
  CHECK(json.at("selections") == 128);
  const std::string page = (folder / "r.html").string();
  CHECK(
      call(trace_report_command(), {{"TRACE", {file}}, {"output", {page}}}).err.starts_with(line));
  std::ostringstream html;
  html << std::ifstream(page).rdbuf();
  CHECK(moesim::tests::page_data(html.str())["warnings"][0] ==
        "3 of 128 selections (2.34 %) are missing: what follows is of the others.");
  CHECK(call(trace_fit_command(), {{"TRACE", {file}}}).err == line);
  // Four steps of 32 tokens go through the trace twice, in 32 layers: 3 x 2 x 32 of 128 x 2 x 32.
  const auto compared = call(trace_compare_command(), compare_of(file));
  CHECK(compared.err.starts_with(line + line));
  CHECK(compared.out.find("\n  192 of 8192 selections (2.34 %) are missing in the trace: ") !=
        std::string::npos);
  CHECK(call(placement_command(), placement_of(file))
            .out.find("  Note: 192 of 8192 selections (2.34 %) are missing in the trace: their "
                      "experts are not "
                      "computed") != std::string::npos);
}

TEST_CASE("a number that is no expert is damage to everything that reads the trace") {
  const Folder folder;
  const std::string file = damaged(folder), out = (folder / "o").string();
  const Values one{{"TRACE", {file}}}, written{{"TRACE", {file}}, {"output", {out}}};
  const auto with = [&](Values values, const std::string& key, const std::string& value) {
    values[key] = {value};
    return values;
  };
  for (const auto& [command, values] : {std::pair{run_command(), run_of(folder, file)},
                                        {placement_command(), placement_of(file)},
                                        {trace_info_command(), one},
                                        {trace_fit_command(), one},
                                        {trace_report_command(), written},
                                        {trace_compare_command(), compare_of(file)},
                                        {trace_export_command(), with(written, "to", "npy")},
                                        {trace_export_command(), with(written, "to", "counts")}}) {
    const std::string name = command.name;  // clang 14 captures no binding
    CAPTURE(name);
    CHECK_THROWS_WITH_AS(call(command, values), (file + kDamage).c_str(), InputError);
  }
}

TEST_CASE("a byte that cannot tell expert 255 from a missing one says so") {
  const Folder folder;
  sim::io::Hdf5Writer writer(folder / "t.h5");
  writer.attribute("format", std::string("moe-routing-trace"));
  writer.attribute("version", std::int64_t{1});
  writer.attribute("num_experts", std::int64_t{256});
  writer.attribute("top_k", std::int64_t{1});
  const std::vector<std::int32_t> ids{0, 255, 254, 7};
  const std::uint64_t row[] = {1, 1};
  writer.append(writer.create("/expert_ids", sim::io::Hdf5Writer::Stored::U1, row),
                std::span<const std::int32_t>(ids));
  writer.close();
  const auto text = call(trace_info_command(), {{"TRACE", {(folder / "t.h5").string()}}}).out;
  CHECK(text.find("  1 of 4 selections (25 %) are missing: what follows is of the others\n"
                  "  255 marks a missing selection, as the largest number of its type, so expert "
                  "255 has none: store /expert_ids in a wider type\n") != std::string::npos);
}
