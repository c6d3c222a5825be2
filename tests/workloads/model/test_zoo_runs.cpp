// Every model that ships runs: on H100s, and on hardware of its day.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "sim/io/yaml_reader.h"
#include "workloads/placement/model_layout.h"
#include "workloads/run.h"
#include "workloads/scenario.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

struct Place {
  const char* cluster;
  std::int64_t gpus, tp, ep, etp, pp;
};

Report run_at(const std::string& model, const Place& p, const char* precision) {
  const bool experts = p.ep > 1 || p.etp != p.tp;
  const std::int64_t dp = p.gpus / (p.tp * p.pp);
  auto document = sim::io::YamlDocument::parse(
      fmt::format("name: {0}\n"
                  "model: configs/models/{0}.yaml\n"
                  "cluster: configs/clusters/{1}.yaml\n"
                  "precision: {{weights: {2}, activations: {2}, kv_cache: {2}, dispatch: {2}, "
                  "combine: {2}}}\n"
                  "parallelism: {{tp: {3}, pp: {4}, dp: {5}, ep: {6}, etp: {7}, cp: 1}}\n"
                  "{8}"
                  "network: bound\n"
                  "step: {{phase: decode, batch_per_rank: 4, context: 128, count: 1}}\n",
                  model, p.cluster, precision, p.tp, p.pp, dp, p.ep, p.etp,
                  experts ? "routing: {law: uniform}\n" : ""),
      model + ".yaml");
  return run(read_scenario(document.root())).report;
}

// The first place that holds the model; its report.
Report run_somewhere(const std::string& model, const std::vector<Place>& places,
                     const char* precision) {
  Report report;
  for (const Place& place : places) {
    CAPTURE(place.cluster);
    report = run_at(model, place, precision);
    if (report.memory.fits) break;
  }
  return report;
}

// The largest power of two up to `most` that the model's heads and widths divide over.
std::int64_t widest_tp(const ModelSpec& model, std::int64_t most) {
  std::int64_t tp = most;
  while (tp > 1 && !layout_problems(model, {.tp = tp, .etp = tp}).empty()) tp /= 2;
  return tp;
}

// Layouts of a model with so many experts (0: dense), small ones first.
std::vector<Place> h100_places(const ModelSpec& model, std::int64_t experts) {
  std::vector<Place> places;
  const std::pair<const char*, std::int64_t> clusters[]{
      {"h100-1x8", 8}, {"h100-2x8", 16}, {"h100-8x8", 64}, {"h100-32x8", 256}};
  for (const auto& [cluster, gpus] : clusters) {
    if (experts == 0) {
      const std::int64_t tp = widest_tp(model, 8);
      places.push_back({cluster, gpus, tp, 1, tp, gpus / 8});
      continue;
    }
    std::int64_t ep = gpus;
    while (experts % ep != 0) ep /= 2;
    const std::int64_t parts = std::min<std::int64_t>(gpus / ep, 8), etp = widest_tp(model, parts);
    places.push_back({cluster, gpus, etp, ep, etp, parts / etp});
  }
  return places;
}

}  // namespace

TEST_CASE("every model that ships decodes on H100s that hold it") {
  for (const auto& entry : std::filesystem::directory_iterator("configs/models")) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string name = entry.path().stem().string();
    CAPTURE(name);
    const ModelSpec model = load_model(entry.path());
    const MoeFfn* moe = model.largest_moe();
    // A pyramid's smaller layers must divide too.
    std::int64_t experts = moe != nullptr ? moe->experts : 0;
    for (const std::int64_t l : model.moe_layers())
      experts = std::min(experts, model.moe(l)->experts);
    const Report report = run_somewhere(name, h100_places(model, experts), "bf16");
    CHECK(report.memory.fits);
    CHECK(report.step_time_us.mean > 0);
    CHECK(report.tokens_per_s > 0);
  }
}

TEST_CASE("the models of their day run on the hardware of their day") {
  struct Case {
    const char* model;
    Place place;
    const char* precision;
  };
  const Case cases[]{
      {"shazeer-moe-4096h", {"k40-16x8", 128, 1, 128, 1, 1}, "fp32"},
      {"shazeer-mt-2048", {"k40-16x8", 128, 1, 128, 1, 1}, "fp32"},
      {"gshard-2048e-12l", {"tpu-v3-16x16", 256, 1, 256, 1, 1}, "bf16"},
      {"switch-base", {"tpu-v3-16x16", 256, 1, 128, 1, 1}, "bf16"},
      {"switch-c", {"tpu-v3-16x16", 256, 1, 256, 1, 1}, "bf16"},
      {"t5-large", {"tpu-v3-16x16", 256, 1, 1, 1, 1}, "bf16"},
      {"st-moe-32b", {"tpu-v4-4x4x4", 64, 1, 64, 1, 1}, "bf16"},
      {"expert-choice-8b-64e", {"tpu-v4-4x4x4", 64, 1, 64, 1, 1}, "bf16"},
      {"deepspeed-moe-52b", {"v100-4x16", 64, 1, 64, 1, 1}, "fp16"},
      {"deepspeed-pr-moe-31b", {"a100-4x8", 32, 1, 32, 1, 1}, "bf16"},
      {"llama-2-70b", {"a100-1x8", 8, 8, 1, 8, 1}, "bf16"},
      {"gpt-4-reported", {"a100-4x8", 32, 4, 8, 4, 1}, "bf16"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.model);
    const Report report = run_at(c.model, c.place, c.precision);
    CHECK(report.step_time_us.mean > 0);
    CHECK(report.tokens_per_s > 0);
  }
}
