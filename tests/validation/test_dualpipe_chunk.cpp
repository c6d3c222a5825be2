// A forward pass woven with a backward one, phase by phase, against DeepSeek's own profile of its
// training (deepseek-ai/profile-data@4496024): 64 H800, four mixture layers each, fp8.
#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include "sim/io/csv.h"
#include "workloads/scenario.h"
#include "workloads/training/chunk_table.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

constexpr double kLayers = 4;

// Microseconds a layer by phase; of exchanges the transfer, not the kernels that wait for peers.
std::map<std::string, double> measured(const std::filesystem::path& file) {
  const auto table = sim::io::CsvTable::read(file);
  const std::size_t phase = table.column("phase"), kind = table.column("kernel_class"),
                    us = table.column("total_us_per_layer_mean");
  std::map<std::string, double> sums;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::string_view what = table.text(row, kind);
    if (what == "exchange_layout" || what == "exchange_notify") continue;
    sums[std::string(table.text(row, phase))] += table.number(row, us);
  }
  return sums;
}

const std::map<std::string, std::string>& phases() {
  static const std::map<std::string, std::string> kPhases{
      {"attention", "attn(F)"},         {"router", "attn(F)"},
      {"preprocess", "attn(F)"},        {"permute", "attn(F)"},
      {"dispatch", "dispatch(F)"},      {"experts", "mlp(F)"},
      {"shared expert", "mlp(F)"},      {"combine", "combine(F)"},
      {"experts backward", "mlp(B)"},   {"shared expert backward", "mlp(B)"},
      {"attention weights", "attn(W)"}, {"router weights", "attn(W)"},
  };
  return kPhases;
}

// The same of the first rank, of stages in the middle of the pipeline.
std::map<std::string, double> predicted() {
  const Scenario scenario = load_scenario("configs/scenarios/deepseek-v3-training-h800.yaml");
  ChunkTable chunks(scenario.deployment, *scenario.training());
  const auto played = chunks.record(
      {.kind = PassKind::Forward, .stage = 7, .beside = ChunkPass::Beside{.stage = 8}});
  std::map<std::string, double> sums;
  for (sim::OpId id = 0; id < played.graph.size(); ++id) {
    const sim::Op& op = played.graph.op(id);
    if (op.rank != 0 || op.kind == sim::OpKind::Delay) continue;
    const std::string& name = played.graph.label(op.label).name;
    const auto phase = phases().find(name.substr(0, name.rfind(" L")));
    if (phase == phases().end()) continue;
    const sim::Span& span = played.timeline.spans[id];
    sums[phase->second] += sim::to_us(span.end - span.start) / kLayers;
  }
  return sums;
}

}  // namespace

TEST_CASE("phases of DualPipe's chunk take what DeepSeek's profile shows") {
  const std::filesystem::path file = "../shared/data/training/dualpipe_chunk_classes.csv";
  if (!std::filesystem::exists(file)) {
    std::puts("SKIPPED: the profile is not at ../shared/data/training");
    return;
  }
  const auto was = measured(file), is = predicted();
  for (const char* phase : {"attn(F)", "mlp(F)", "mlp(B)", "attn(W)", "combine(F)"}) {
    CAPTURE(std::string(phase));
    CHECK(is.at(phase) == doctest::Approx(was.at(phase)).epsilon(0.10));
  }
  // Known to be low: the combine sets what exchanges lose in a step (routed_layers.cpp), a dispatch
  // waits for peers that come late, too. It is hidden either way. Fails as soon as it is met.
  CHECK(is.at("dispatch(F)") < 0.9 * was.at("dispatch(F)"));
  CHECK(is.at("dispatch(F)") > 0.7 * was.at("dispatch(F)"));
}
