// Tables that say what was sent to measured engines: no row is lost, and what workers apart do.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "sim/io/yaml_reader.h"
#include "tools/moesim/shipped.h"
#include "validation/serving/e2e_validation.h"
#include "validation/serving/measured_tables.h"
#include "workloads/run.h"
#include "workloads/scenario.h"

using namespace moesim;

namespace {

const std::filesystem::path kFolder = "../shared/data/serving";

bool is_there(const char* name) {
  if (std::filesystem::exists(kFolder / name)) return true;
  std::printf("SKIPPED: %s is not at %s\n", name, kFolder.c_str());
  return false;
}

validation::E2eOptions with_models() {
  validation::E2eOptions options{.configs = std::filesystem::absolute("configs").string()};
  options.model_file = [](const std::string& model) {
    return std::filesystem::absolute(tools::find_config("models", model)).string();
  };
  return options;
}

// Rows of these models, all of which can be asked for.
std::size_t asked(const std::vector<validation::E2eRow>& rows,
                  const std::vector<std::string>& models) {
  const auto options = with_models();
  std::size_t n = 0;
  for (const validation::E2eRow& row : rows) {
    bool wanted = false;
    for (const std::string& model : models) wanted = wanted || row.model == model;
    if (!wanted) continue;
    CAPTURE(row.name);
    REQUIRE(row.load);
    std::string refused;
    try {
      const auto document = sim::io::YamlDocument::parse(
          validation::scenario_of(row, options, row.load->run), row.name);
      (void)workloads::read_scenario(document.root(), {.engines = options.configs + "/engines"});
    } catch (const sim::ConfigError& error) {
      refused = error.what();
    }
    CHECK(refused == "");
    ++n;
  }
  return n;
}

std::int64_t sum_of(const validation::E2eRows& read) {
  auto n = static_cast<std::int64_t>(read.rows.size());
  for (const auto& one : read.skipped) n += one.n;
  return n;
}

}  // namespace

TEST_CASE("of the lab's rows each is read or counted, and those of mixtures can be asked for") {
  constexpr const char* kName = "gpustack_performance_lab.csv";
  if (!is_there(kName)) return;
  const auto read = validation::read_measured({kFolder / kName});
  CHECK(sum_of(read) == 192);
  // Of 76 rows of four models one is a repeat, and the command of one is of another model.
  CHECK(asked(read.rows, {"zai-org/GLM-4.5-Air", "zai-org/GLM-4.6", "openai/gpt-oss-20b",
                          "Qwen/Qwen3-235B-A22B-Instruct-2507"}) == 74);
}

TEST_CASE("of workers apart each row is read or counted, and two of each are predicted well") {
  constexpr const char* kName = "dstack_pd_ratio_gpt-oss-120b_h200.csv";
  if (!is_there(kName)) return;
  const auto read = validation::read_measured({kFolder / kName});
  CHECK(sum_of(read) == 30);
  CHECK(asked(read.rows, {"openai/gpt-oss-120b"}) == 29);
  std::vector<validation::E2eRow> rows;
  for (const validation::E2eRow& row : read.rows)
    if (row.mode == "2P2D" && row.osl <= 2048) rows.push_back(row);
  CHECK(rows.size() == 12);
  const auto summary = summarise_e2e(predict_e2e(rows, with_models()));
  CHECK(summary.throughput.n == 12);
  CAPTURE(summary.throughput.median);
  CAPTURE(summary.throughput.p90);
  // Were prompts and tokens not divided over the workers, a half would be missing.
  CHECK(summary.throughput.median < 15);
  CHECK(summary.throughput.p90 < 30);
}

TEST_CASE("of stages of constant rates each row is read or counted, and mixtures' are predicted") {
  constexpr const char* kName = "quoted/blis_vllm_0.15.1.csv";
  if (!is_there(kName)) return;
  const auto read = validation::read_measured({kFolder / kName});
  CHECK(sum_of(read) == 70);
  std::vector<validation::E2eRow> rows;
  for (const validation::E2eRow& row : read.rows)
    if (row.model.find("Mixtral") != std::string::npos && row.load->rate < 20) rows.push_back(row);
  CHECK(rows.size() == 12);
  const auto summary = summarise_e2e(predict_e2e(rows, with_models()));
  CAPTURE(summary.tpot.median);
  CAPTURE(summary.ttft.median);
  // Were prompts read anew each time TTFT would be 10 % off, and at 20 /s 190.
  CHECK(summary.tpot.median < 5);
  CHECK(summary.ttft.median < 9);
}

TEST_CASE("of a sweep of closed loops all runs are read or counted, and predicted well") {
  constexpr const char* kName = "quoted/gpt-oss-120b_h200_vllm_0.22_sweep.csv";
  if (!is_there(kName)) return;
  const auto read = validation::read_measured({kFolder / kName});
  CHECK(sum_of(read) == 61);
  CHECK(asked(read.rows, {"openai/gpt-oss-120b"}) == 18);
  const auto summary = summarise_e2e(predict_e2e(read.rows, with_models()));
  CAPTURE(summary.tpot.median);
  CAPTURE(summary.throughput.median);
  CAPTURE(summary.ttft.median);
  // With Triton's experts throughput would be 12 % off, TTFT 45.
  CHECK(summary.tpot.median < 8);
  CHECK(summary.throughput.median < 5);
  CHECK(summary.ttft.median < 18);
}

TEST_CASE("requests that a client recorded, one by one, take as long on two ranks in lock step") {
  // vLLM 0.19 on two RTX PRO 6000: the requests as they came, and when each was answered.
  constexpr const char* kName =
      "llmservingsim_vllm/rtxpro6000_qwen3-30b-a3b-instruct-2507/requests.csv";
  if (!is_there(kName)) return;
  const std::string file = std::filesystem::absolute(kFolder / kName).string();
  const auto t = sim::io::CsvTable::read(file);
  double ttft = 0, tpot = 0;
  for (std::size_t i = 0; i < t.rows(); ++i) {
    const auto at = [&](const char* column) { return 1e3 * t.number(i, t.column(column)); };
    const double first = at("first_token_s");
    ttft += first - at("queued_s");
    tpot += (at("last_token_s") - first) / (t.number(i, t.column("output_tokens")) - 1);
  }
  ttft /= static_cast<double>(t.rows());
  tpot /= static_cast<double>(t.rows());
  const auto document = sim::io::YamlDocument::parse(
      "name: recorded\nmodel: qwen3-30b-a3b\nengine: vllm-0.19\nnetwork: bound\n"
      "cluster: {file: l40s-1x8-pcie, nodes: 1, gpus_per_node: 2, device: rtx-pro-6000}\n"
      "precision: {kv_cache: bf16}\nparallelism: {dp: 2, ep: 2}\nserving:\n"
      "  requests: {format: moesim, trace: " +
          file +
          "}\n"
          "  kv: {prefix_cache: false}\n  scheduler: {tokens: 2048, sequences: 128}\n",
      "recorded.yaml");
  const auto scenario = workloads::read_scenario(document.root(), tools::shipped());
  const auto json = workloads::to_json(workloads::run(scenario), scenario)["serving"];
  const double predicted_ttft = json["mean_ttft_ms"], predicted_tpot = json["mean_tpot_ms"];
  CAPTURE(predicted_ttft);
  CAPTURE(predicted_tpot);
  CHECK(tpot == doctest::Approx(47.29).epsilon(0.001));
  CHECK(std::abs(predicted_tpot / tpot - 1) < 0.05);
  // Most of it is queue: 128 sequences a rank, and more came.
  CHECK(ttft == doctest::Approx(1086).epsilon(0.001));
  CHECK(std::abs(predicted_ttft / ttft - 1) < 0.35);
}
