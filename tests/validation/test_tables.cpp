#include <doctest/doctest.h>

#include "sim/error.h"
#include "validation/compare/table_prediction.h"
#include "validation/compare/table_report.h"
#include "validation/tables/detect_kind.h"

using namespace moesim;
using namespace moesim::validation;
using sim::io::CsvTable;

namespace {

const hardware::Device& h100() {
  static const hardware::Device device = hardware::load_device("configs/devices/h100.yaml");
  return device;
}

std::string error_of(std::string_view kind, const std::string& text) {
  try {
    (void)report_on(kind, {CsvTable::parse(text, "t.csv")}, h100(), "");
  } catch (const sim::Error& error) {
    return error.what();
  }
  return "no error";
}

const std::string kGemm = "gemm_dtype,m,n,k,latency_us\n";

}  // namespace

TEST_CASE("a table is predicted from its input columns alone, and keeps what it has") {
  const CsvTable table =
      CsvTable::parse("note,gemm_dtype,m,n,k\nhello,bfloat16,64,4096,4096\n", "t.csv");
  const std::string text =
      with_predictions("gemm", table, predict_table("gemm", table, h100(), "trtllm"));
  CHECK(text.starts_with(
      "note,gemm_dtype,m,n,k,predicted_us,predicted_p10_us,predicted_p90_us\nhello,bfloat16,64,"));
}

TEST_CASE("DeepEP's tables get a time for each direction") {
  const CsvTable table = CsvTable::parse(
      "node_num,hidden_size,num_token,num_topk,num_experts\n1,7168,128,8,256\n4,7168,128,8,256\n",
      "t.csv");
  const std::string text =
      with_predictions("deepep_ll", table, predict_table("deepep_ll", table, h100(), "deepep"));
  CHECK(text.find("predicted_dispatch_us,predicted_dispatch_p10_us,predicted_dispatch_p90_us,"
                  "predicted_combine_us,predicted_combine_p10_us,predicted_combine_p90_us") !=
        std::string::npos);
}

TEST_CASE("a negative time is refused with its line") {
  CHECK(error_of("gemm", kGemm + "bfloat16,64,4096,4096,15\nfp8,64,64,64,-3\n") ==
        "t.csv:3: latency_us: expected a time above zero, in microseconds, not \"-3\"");
}

TEST_CASE("a size that is none and a number format that is none are refused") {
  CHECK(error_of("gemm", kGemm + "bfloat16,0,4096,4096,15\n") ==
        "t.csv:2: m: expected a whole number from 1 to 1099511627776, not \"0\"");
  CHECK(error_of("gemm", kGemm + "bf17,1,4096,4096,15\n") ==
        "t.csv:2: gemm_dtype: expected a number format such as bfloat16, fp8 or fp8_block, not "
        "\"bf17\"");
}

TEST_CASE("a missing column is named") {
  CHECK(error_of("gemm", "gemm_dtype,m,n,latency_us\nbfloat16,1,1,3\n").find("\"k\"") !=
        std::string::npos);
  CHECK(error_of("gemm", "gemm_dtype,m,n,k\nbfloat16,64,4096,4096\n") ==
        "t.csv: no measured times for gemm");
}

TEST_CASE("a table in milliseconds or nanoseconds is refused") {
  // The true time is about 12 us.
  CHECK(
      error_of("gemm", kGemm + "bfloat16,64,4096,4096,0.012\n").find("(are these milliseconds?)") !=
      std::string::npos);
  CHECK(
      error_of("gemm", kGemm + "bfloat16,64,4096,4096,12000\n").find("(are these nanoseconds?)") !=
      std::string::npos);
}

TEST_CASE("one row a thousand times off is pointed at, the table is read") {
  std::string text = kGemm;
  for (int i = 0; i < 5; ++i) text += "bfloat16,64,4096,4096,12\n";
  text += "bfloat16,64,4096,4096,12000\n";
  const TableReport report = report_on("gemm", {CsvTable::parse(text, "t.csv")}, h100(), "trtllm");
  REQUIRE(report.notes.size() == 1);
  CHECK(report.notes[0].starts_with("t.csv:7: 12000 us is "));
  CHECK(report.parts[0].worst[0].where == "t.csv:7");
  CHECK(report.parts[0].good.n == 6);
}

TEST_CASE("flagged rows count apart") {
  const std::string header =
      "moe_dtype,num_tokens,hidden_size,inter_size,topk,num_experts,moe_tp_size,moe_ep_size,"
      "distribution,latency_us,anomalous\n";
  const TableReport report =
      report_on("moe",
                {CsvTable::parse(header + "fp8_block,64,7168,2048,8,256,1,1,balanced,3800,0\n" +
                                     "fp8_block,64,7168,2048,8,256,1,1,balanced,9000,1\n",
                                 "t.csv")},
                h100(), "trtllm");
  CHECK(report.parts[0].good.n == 1);
  CHECK(report.parts[0].all.n == 2);
}

TEST_CASE("a layout that does not divide and an unknown law are refused") {
  const std::string header =
      "moe_dtype,num_tokens,hidden_size,inter_size,topk,num_experts,moe_tp_size,moe_ep_size,"
      "distribution,latency_us\n";
  CHECK(error_of("moe", header + "fp8,64,7168,2048,8,256,1,3,balanced,38\n") ==
        "t.csv:2: moe_ep_size: expected a divisor of num_experts, not \"3\"");
  CHECK(error_of("moe", header + "fp8,64,7168,2048,8,256,1,1,zipf,38\n") ==
        "t.csv:2: distribution: expected balanced, uniform or power_law_ALPHA, not \"zipf\"");
}

TEST_CASE("an engine without a fit is predicted by the nearest and a note says so") {
  const TableReport report = report_on(
      "gemm", {CsvTable::parse(kGemm + "bfloat16,64,4096,4096,12\n", "t.csv")}, h100(), "vllm");
  REQUIRE(report.notes.size() == 1);
  CHECK(report.notes[0] ==
        "gemm vllm bf16 is predicted with the parameters of trtllm bf16: extrapolated");
}

TEST_CASE("an unknown kind is refused with those there are") {
  CHECK(error_of("gem", kGemm).find("there is no kind of table \"gem\"; they are gemm, moe") == 0);
  CHECK(error_of("gem", kGemm).find("did you mean gemm?") != std::string::npos);
}

TEST_CASE("a table's kind is seen from its columns") {
  const auto kind = [](const std::string& text) {
    return detect_kind(CsvTable::parse(text, "t.csv"));
  };
  CHECK(kind(kGemm) == "gemm");
  CHECK(kind("num_tokens,moe_ep_size\n1,2\n") == "wideep_moe");
  CHECK(kind("node_num,sms\n1,2\n") == "deepep_normal");
  CHECK(kind("batch_size,isl,kv_len,num_heads\n1,1,128,16\n") == "generation_mla");
  CHECK(kind("batch_size,isl,kv_len,num_heads\n1,512,0,16\n") == "context_mla");
  CHECK_THROWS_WITH_AS(kind("a,b\n1,2\n"),
                       "t.csv: the columns (a, b) are those of no kind of table", sim::InputError);
}
