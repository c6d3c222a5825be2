// Words of measured tables that we do not know: read as the nearest that we do, with doubt, and
// said; never a reason to refuse a table.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/error.h"
#include "validation/compare/table_prediction.h"
#include "validation/compare/table_report.h"
#include "validation/tables/words.h"

using namespace moesim;
using namespace moesim::validation;
using hardware::Precision;
using sim::io::CsvTable;

namespace {

const hardware::Device& device(const std::string& name) {
  static std::map<std::string, hardware::Device> devices;
  const auto [at, fresh] = devices.try_emplace(name);
  if (fresh) at->second = hardware::load_device("configs/devices/" + name + ".yaml");
  return at->second;
}

struct Answer {
  hardware::Estimate estimate;
  std::string variant, guess, text;
  std::vector<std::string> notes;
};

// Of a table of one row that is answered.
Answer answer(const char* kind, const std::string& text, const std::string& on = "h100") {
  const CsvTable table = CsvTable::parse(text, "t.csv");
  const TablePredictions predictions = predict_table(kind, table, device(on), "");
  REQUIRE(predictions.size() == 1);
  REQUIRE(predictions[0].estimates.size() == 1);
  return {.estimate = predictions[0].estimates[0],
          .variant = predictions[0].task->variant(),
          .guess = predictions[0].task->items()[0].guess,
          .text = with_predictions(kind, table, predictions),
          .notes = notes_on(table, device(on), predictions)};
}

std::string moe_row(const std::string& format, const std::string& law) {
  return "moe_dtype,num_tokens,hidden_size,inter_size,topk,num_experts,moe_tp_size,moe_ep_size,"
         "distribution\n" +
         format + ",256,2880,2880,4,128,1,1," + law + "\n";
}

}  // namespace

TEST_CASE("a format that is none is the nearest by bytes") {
  // 6 bits: 8 / 6 = 4/3, 6 / 4 = 3/2. 17: 16. 5: 5 / 4 = 5/4, 8 / 5 = 8/5. 24: 32 / 24 = 4/3, 24 /
  // 16 = 3/2. 3 bits of whole numbers: 4.
  CHECK(nearest_precision("fp6_weird") == Precision::FP8);
  CHECK(nearest_precision("mxfp6") == Precision::FP8Block);
  CHECK(nearest_precision("mxfp8") == Precision::FP8Block);
  CHECK(nearest_precision("fp8_block_64") == Precision::FP8Block);
  CHECK(nearest_precision("bf17") == Precision::BF16);
  CHECK(nearest_precision("fp5") == Precision::NVFP4);
  CHECK(nearest_precision("fp24") == Precision::FP32);
  CHECK(nearest_precision("mxfp4_new") == Precision::MXFP4);
  CHECK(nearest_precision("int3") == Precision::INT4);
  CHECK(nearest_precision("w6a16") == Precision::INT8);
  CHECK(nearest_precision("w16a16") == Precision::BF16);
  CHECK_FALSE(nearest_precision("weird"));
  CHECK_FALSE(nearest_precision("fp1"));
  CHECK_FALSE(nearest_precision("fp128"));
}

TEST_CASE("a law that is none is the nearest") {
  // Rank r has r^-2 of the load: L^(-1/2) of the experts have more than L, a density of L^-1.5.
  CHECK(nearest_law("zipf_2") == "power_law_1.5");
  CHECK(nearest_law("zipf_1.0") == "power_law_2");
  CHECK(nearest_law("zipf_1.0_eplb") == "power_law_2_eplb");
  CHECK(nearest_law("zipf_0") == "uniform");
  CHECK(nearest_law("zipf_0.05") == "uniform");
  CHECK(nearest_law("power_law") == "power_law_1.01");
  CHECK(nearest_law("power_law_eplb") == "power_law_1.01_eplb");
  CHECK(nearest_law("round_robin") == "balanced");
  CHECK(nearest_law("unbalanced") == "uniform");
  CHECK(nearest_law("random") == "uniform");
}

TEST_CASE("further spellings of a format are no guess") {
  const auto product = [](const std::string& format) {
    return answer("gemm", "gemm_dtype,m,n,k\n" + format + ",64,4096,4096\n");
  };
  const Answer fp8 = product("fp8"), int4 = product("int4");
  for (const char* spelling : {"fp8_e5m2", "fp8_per_tensor", "float8_e5m2"}) {
    CAPTURE(spelling);
    CHECK(product(spelling).guess.empty());
    CHECK(product(spelling).estimate.us == fp8.estimate.us);
    CHECK(product(spelling).estimate.high == fp8.estimate.high);
  }
  for (const char* spelling : {"awq", "gptq"}) {
    CHECK(product(spelling).guess.empty());
    CHECK(product(spelling).estimate.us == int4.estimate.us);
  }
  CHECK(answer("moe", moe_row("w4a16_mxfp4_cutlass", "balanced")).variant == "w4a16_mxfp4");
  CHECK(answer("moe", moe_row("w4a8_mxfp4_mxfp8_trtllm", "balanced"), "b200").guess.empty());
}

TEST_CASE("an unknown format is answered with its doubt, and said in the text and beside the row") {
  const std::string known = "gemm_dtype,m,n,k\nfp8,64,4096,4096\n";
  const Answer fp8 = answer("gemm", known);
  const Answer fp6 = answer("gemm", "gemm_dtype,m,n,k\nfp6_weird,64,4096,4096\n");
  CHECK(fp6.estimate.us == fp8.estimate.us);
  CHECK(fp6.estimate.extrapolated);
  // As independent errors meet: the square of the half-width grows by that of the doubt, 0.8.
  CHECK(std::pow(std::log(fp6.estimate.high), 2) ==
        doctest::Approx(std::pow(std::log(fp8.estimate.high), 2) + 0.64));
  CHECK(std::pow(std::log(fp6.estimate.low), 2) ==
        doctest::Approx(std::pow(std::log(fp8.estimate.low), 2) + 0.64));
  CHECK(fp6.estimate.p90 < fp6.estimate.high);
  CHECK(fp6.estimate.p10 > fp6.estimate.low);
  REQUIRE(fp6.notes.size() == 1);
  CHECK(fp6.notes[0] ==
        "t.csv: 1 row: gemm_dtype \"fp6_weird\" read as fp8, in doubt (extrapolated)");
  CHECK(fp6.text.find("extrapolated: gemm_dtype \"\"fp6_weird\"\" read as fp8") !=
        std::string::npos);
  CHECK(fp8.notes.empty());
  CHECK(fp8.text.ends_with(",fitted\n"));
}

TEST_CASE("unknown words of experts, laws and modes refuse no table") {
  struct Case {
    const char* format;
    const char* law;
    const char* guess;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"mxfp8", "balanced", "moe_dtype \"mxfp8\" read as fp8_block"},
           {"w4a8_nvfp4_fp8", "balanced", "moe_dtype \"w4a8_nvfp4_fp8\" read as w4a8_mxfp4_mxfp8"},
           {"w4a8_mxfp4_fp8", "balanced", "moe_dtype \"w4a8_mxfp4_fp8\" read as w4a8_mxfp4_mxfp8"},
           {"bfloat16", "zipf_1.0", "distribution \"zipf_1.0\" read as power_law_2"},
           {"bfloat16", "random", "distribution \"random\" read as uniform"},
           {"bfloat16", "power_law", "distribution \"power_law\" read as power_law_1.01"},
           {"fp8_x", "any",
            "distribution \"any\" read as uniform; moe_dtype \"fp8_x\" read as fp8"}}) {
    CAPTURE(c.guess);
    const Answer a = answer("moe", moe_row(c.format, c.law));
    CHECK(a.guess == c.guess);
    CHECK(a.estimate.extrapolated);
  }
  CHECK(answer("custom_allreduce", "num_gpus,bytes,mode\n4,65536,compiled\n").guess ==
        "mode \"compiled\" read as graph");
}

TEST_CASE("more GPUs than a node has are taken as one, in doubt") {
  const auto guess = [](const char* rows) { return answer("nccl", rows).guess; };
  CHECK(guess("op_name,num_gpus,bytes\nall_reduce,8,1048576\n").empty());
  CHECK(guess("op_name,num_gpus,bytes\nall_reduce,16,1048576\n") ==
        "num_gpus \"16\" read as one node of 16, where a node of H100 SXM has 8 at most (between "
        "nodes: moesim exchange CLUSTER)");
  CHECK(answer("nccl", "op_name,num_gpus,bytes\nall_reduce,16,1048576\n").estimate.extrapolated);
  const CsvTable table =
      CsvTable::parse("op_name,num_gpus,bytes\nall_reduce,72,1024\nall_reduce,144,1024\n", "t.csv");
  const std::vector<std::string> notes =
      notes_on(table, device("gb200"), predict_table("nccl", table, device("gb200"), ""));
  const auto beyond = [](const std::string& note) {
    return note ==
           "t.csv: 1 row: num_gpus \"144\" read as one node of 144, where a node of GB200 has 72 "
           "at most (between nodes: moesim exchange CLUSTER), in doubt (extrapolated)";
  };
  CHECK(std::ranges::count_if(notes, beyond) == 1);
}

TEST_CASE("a broadcast goes the way of an all-gather, and says so") {
  const Answer gather = answer("nccl", "op_name,num_gpus,bytes\nall_gather,4,1048576\n");
  const Answer broadcast = answer("nccl", "op_name,num_gpus,bytes\nbcast,4,1048576\n");
  CHECK(broadcast.variant == "broadcast");
  CHECK(broadcast.guess.empty());
  CHECK(broadcast.estimate.high > gather.estimate.high);
  REQUIRE(broadcast.notes.size() == 1);
  CHECK(broadcast.notes[0] ==
        "nccl nccl broadcast: predicted with the parameters of nccl all_gather (extrapolated)");
}

TEST_CASE("where nothing is near, a row is set apart, counted and said, and the others answered") {
  const CsvTable table = CsvTable::parse(
      "op_name,num_gpus,bytes,latency_us\nall_gather,4,1048576,20\nscan,4,1024,9\nscan,2,1024,8\n",
      "t.csv");
  const TablePredictions predictions = predict_table("nccl", table, device("h100"), "");
  REQUIRE(predictions.apart.size() == 2);
  CHECK(predictions.apart[0].row == 1);
  const std::vector<std::string> notes = notes_on(table, device("h100"), predictions);
  REQUIRE(notes.size() == 1);
  CHECK(notes[0] == "t.csv: 2 rows set apart, without a prediction: op_name \"scan\" is not known");
  const std::string text = with_predictions("nccl", table, predictions);
  CHECK(text.find("scan,4,1024,9,,,,,,\"none: op_name \"\"scan\"\" is not known\"\n") !=
        std::string::npos);
  const TableReport report = report_on("nccl", {table}, device("h100"), "");
  CHECK(report.parts[0].all.n == 1);
  CHECK(std::ranges::count(report.notes, notes[0]) == 1);
  // A word that is not there is a mistake.
  CHECK_THROWS_AS(
      predict_table("nccl", CsvTable::parse("op_name,num_gpus,bytes\n,4,1024\n", "t.csv"),
                    device("h100"), ""),
      sim::InputError);
}

TEST_CASE("rows of a word that was guessed are not fitted on") {
  const CsvTable table = CsvTable::parse(
      "gemm_dtype,m,n,k,latency_us\nfp8,64,4096,4096,12\nfp6_weird,64,4096,4096,9\n", "t.csv");
  const Tasks tasks = read_tasks("gemm", table, device("h100"), "");
  REQUIRE(tasks.size() == 1);
  CHECK(tasks[0]->usable(0));
  CHECK_FALSE(tasks[0]->usable(1));
}

TEST_CASE("parameters of another device of the generation are said to be taken over") {
  const std::string text = "gemm_dtype,m,n,k\nbfloat16,64,4096,4096\n";
  struct Case {
    const char* device;
    const char* from;
  };
  for (const Case& c : std::initializer_list<Case>{{"h20", "H100 SXM"},
                                                   {"h800", "H100 SXM"},
                                                   {"gb200", "B200"},
                                                   {"b300", "B200"},
                                                   {"gb300", "B200"},
                                                   {"h100-pcie", "H100 SXM"},
                                                   {"h100-nvl", "H100 SXM"},
                                                   {"l40", "L40S"},
                                                   {"rtx-4090", "L40S"}}) {
    CAPTURE(c.device);
    const Answer a = answer("gemm", text, c.device);
    CHECK(a.text.ends_with(fmt::format(",taken over from {}\n", c.from)));
    REQUIRE(a.notes.size() == 1);
    CHECK(a.notes[0] ==
          fmt::format("{} has no fit of its own: taken over from {}: gemm trtllm bf16",
                      device(c.device).name, c.from));
    CHECK_FALSE(a.estimate.extrapolated);
  }
}
