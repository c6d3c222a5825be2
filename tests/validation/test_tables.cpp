#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/validation/tables.h"
#include "validation/compare/table_prediction.h"
#include "validation/tables/detect_kind.h"
#include "validation/tables/repeated_rows.h"
#include "validation/tables/slow_tasks.h"

using namespace moesim;
using namespace moesim::validation;
using sim::io::CsvTable;
using testing::error_of;
using testing::h100;

namespace {

const std::string kGemm = "gemm_dtype,m,n,k,latency_us\n";

}  // namespace

TEST_CASE("a table is predicted from its input columns alone, and keeps what it has") {
  const CsvTable table =
      CsvTable::parse("note,gemm_dtype,m,n,k\nhello,bfloat16,64,4096,4096\n", "t.csv");
  const std::string text =
      with_predictions("gemm", table, predict_table("gemm", table, h100(), "trtllm"));
  CHECK(text.starts_with(
      "note,gemm_dtype,m,n,k,predicted_us,predicted_p10_us,predicted_p90_us,predicted_p05_us,"
      "predicted_p95_us,predicted_provenance\nhello,bfloat16,64,"));
  CHECK(text.ends_with(",fitted\n"));
}

TEST_CASE("DeepEP's tables get a time for each direction") {
  const CsvTable table = CsvTable::parse(
      "node_num,hidden_size,num_token,num_topk,num_experts\n1,7168,128,8,256\n4,7168,128,8,256\n",
      "t.csv");
  const std::string text =
      with_predictions("deepep_ll", table, predict_table("deepep_ll", table, h100(), "deepep"));
  CHECK(text.find("predicted_dispatch_us,predicted_dispatch_p10_us,predicted_dispatch_p90_us,"
                  "predicted_dispatch_p05_us,predicted_dispatch_p95_us,"
                  "predicted_combine_us,predicted_combine_p10_us,predicted_combine_p90_us") !=
        std::string::npos);
}

TEST_CASE("a negative time is refused with its line") {
  CHECK(error_of("gemm", kGemm + "bfloat16,64,4096,4096,15\nfp8,64,64,64,-3\n") ==
        "t.csv:3: latency_us: expected a time above zero, in microseconds, not \"-3\"");
}

TEST_CASE("a size that is none and a number format that is not said are refused") {
  CHECK(error_of("gemm", kGemm + "bfloat16,0,4096,4096,15\n") ==
        "t.csv:2: m: expected a whole number from 1 to 1099511627776, not \"0\"");
  CHECK(error_of("gemm", kGemm + ",1,4096,4096,15\n") ==
        "t.csv:2: gemm_dtype: expected a number format such as bfloat16, fp8 or fp8_block, not "
        "\"\"");
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
  REQUIRE(report.notes.size() == 2);
  CHECK(report.notes[0].starts_with("t.csv:7: 12000 us is "));
  CHECK(report.notes[1].starts_with("t.csv: 1 inputs are there more than once"));
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

TEST_CASE("a layout that does not divide and a law that is not said are refused") {
  const std::string header =
      "moe_dtype,num_tokens,hidden_size,inter_size,topk,num_experts,moe_tp_size,moe_ep_size,"
      "distribution,latency_us\n";
  CHECK(error_of("moe", header + "fp8,64,7168,2048,8,256,1,3,balanced,38\n") ==
        "t.csv:2: moe_ep_size: expected a divisor of num_experts, not \"3\"");
  CHECK(error_of("moe", header + "fp8,64,7168,2048,8,256,1,1,,38\n") ==
        "t.csv:2: distribution: expected a word, not \"\"");
}

TEST_CASE("an engine without a fit is predicted by the nearest and a note says so") {
  const TableReport report = report_on(
      "gemm", {CsvTable::parse(kGemm + "bfloat16,64,4096,4096,12\n", "t.csv")}, h100(), "vllm");
  REQUIRE(report.notes.size() == 1);
  CHECK(report.notes[0] ==
        "gemm vllm bf16: predicted with the parameters of trtllm bf16 (extrapolated)");
}

TEST_CASE("every kind answers for every device and any implementation, in order") {
  struct Case {
    const char* kind;
    const char* text;
  };
  constexpr Case kCases[] = {
      {"gemm", "gemm_dtype,m,n,k\nint4_wo,16,4096,4096\nnvfp4,16,4096,4096\nsq,16,4096,4096\n"},
      {"moe",
       "moe_dtype,num_tokens,hidden_size,inter_size,topk,num_experts,moe_tp_size,moe_ep_size,"
       "distribution\nw4a16_mxfp4,64,2880,2880,4,128,1,1,balanced\nbfloat16,64,2880,2880,4,128,1,"
       "1,power_law_1.2\n"},
      {"wideep_moe",
       "num_tokens,hidden_size,inter_size,topk,num_experts,moe_ep_size,distribution\n"
       "512,7168,2048,8,256,32,uniform\n"},
      {"nccl", "op_name,num_gpus,bytes\nall_gather,4,1048576\nalltoall,64,512\n"},
      {"custom_allreduce", "num_gpus,bytes\n4,65536\n"},
      {"deepep_normal",
       "node_num,hidden_size,num_token,num_topk,num_experts,sms\n1,7168,128,8,256,20\n"
       "8,7168,128,8,256,20\n"},
      {"deepep_ll", "node_num,hidden_size,num_token,num_topk,num_experts\n16,7168,128,8,256\n"},
      {"context_attention",
       "attn_dtype,kv_cache_dtype,batch_size,isl,num_heads,num_key_value_heads,head_dim\n"
       "bfloat16,fp8,1,1,1,1,64\nfp8_block,int8,4,16384,96,8,256\n"},
      {"generation_attention",
       "kv_cache_dtype,batch_size,kv_len,num_heads,num_key_value_heads,head_dim\n"
       "bfloat16,1,1,1,1,64\nfp8,2048,131072,96,8,256\n"},
      {"context_mla", "kv_cache_dtype,batch_size,isl,kv_len,num_heads\nfp8,2,512,4096,16\n"},
      {"generation_mla", "kv_cache_dtype,batch_size,kv_len,num_heads\nbfloat16,64,4096,128\n"},
  };
  for (const char* name :
       {"h100", "h200", "h800", "h20", "a100", "b200", "gb200", "l40s", "v100", "b300", "gb300",
        "a800", "l40", "h100-pcie", "h100-nvl", "rtx-4090", "rtx-5090", "rtx-pro-6000"}) {
    const auto device = hardware::load_device(std::string("configs/devices/") + name + ".yaml");
    for (const char* impl : {"", "trtllm", "vllm", "sglang", "flashinfer", "somebody's"}) {
      for (const Case& c : kCases) {
        CAPTURE(name);
        CAPTURE(impl);
        CAPTURE(c.kind);
        const CsvTable table = CsvTable::parse(c.text, "t.csv");
        for (const TaskPrediction& p : predict_table(c.kind, table, device, impl)) {
          CHECK(p.unfitted == (std::string(name) == "v100"));
          for (const hardware::Estimate& e : p.estimates) {
            CHECK(std::isfinite(e.us));
            CHECK(e.us > 0);
            CHECK(e.low <= e.p10);
            CHECK(e.p10 <= 1);
            CHECK(e.p90 >= 1);
            CHECK(e.high >= e.p90);
          }
          // Whoever asks for what was not fitted is told.
          if (std::string(impl) == "somebody's") {
            CHECK(caveat_of(p).ends_with("(extrapolated)"));
            for (const hardware::Estimate& e : p.estimates) CHECK(e.extrapolated);
          }
        }
      }
    }
  }
}

TEST_CASE("a device without fits is predicted with round figures and a caveat") {
  const auto v100 = hardware::load_device("configs/devices/v100.yaml");
  const auto predictions = predict_table(
      "gemm", CsvTable::parse("gemm_dtype,m,n,k\nfloat16,64,4096,4096\n", "t.csv"), v100, "vllm");
  CHECK(caveat_of(predictions[0]) ==
        "gemm vllm fp16: the device has no fit of that kind; predicted with round figures "
        "(extrapolated)");
}

TEST_CASE("a whole block of latent attention is composed of its projections and its core") {
  // 64 sequences of 4096 keys, 128 heads, fp8: the core alone is in generation_mla's table. The
  // block reads 187 M weights of fp8 beside it, 56 us at 3.35 TB/s, in 8 launches or so, one way to
  // write it and no more than twice that.
  const double core = predict_table("generation_mla",
                                    CsvTable::parse("kv_cache_dtype,batch_size,kv_len,num_heads\n"
                                                    "bfloat16,64,4096,128\n",
                                                    "t.csv"),
                                    h100(), "trtllm")[0]
                          .estimates[0]
                          .us;
  const auto predictions =
      predict_table("generation_mla_module",
                    CsvTable::parse("gemm_type,kv_cache_dtype,batch_size,kv_len,num_heads\n"
                                    "fp8_block,bfloat16,64,4096,128\n",
                                    "t.csv"),
                    h100(), "trtllm");
  const hardware::Estimate& block = predictions[0].estimates[0];
  CHECK(block.us > core + 56);
  CHECK(block.us < core + 180);
  CHECK(block.low < 1);
  CHECK(block.high > 1);
  CHECK(caveat_of(predictions[0]).empty());
}

TEST_CASE("H200 reads its memory faster than H100 and computes as fast") {
  // 4.8 / 3.35 TB/s: decode over 17 GB of keys and values takes 0.70 of the time and what the
  // multiprocessors' own limit adds; 8192^3 in bf16 is arithmetic. Nothing is faster than the
  // memory.
  const auto h200 = hardware::load_device("configs/devices/h200.yaml");
  const auto ratio = [&](const char* kind, const char* text) {
    const CsvTable table = CsvTable::parse(text, "t.csv");
    return predict_table(kind, table, h200, "trtllm")[0].estimates[0].us /
           predict_table(kind, table, h100(), "trtllm")[0].estimates[0].us;
  };
  const double decode = ratio("generation_attention",
                              "kv_cache_dtype,batch_size,kv_len,num_heads,num_key_value_heads,"
                              "head_dim\nbfloat16,128,32768,32,8,128\n");
  CHECK(decode >= 3.35 / 4.8);
  CHECK(decode < 0.77);
  const double dense = ratio("gemm", "gemm_dtype,m,n,k\nbfloat16,8192,8192,8192\n");
  CHECK(dense > 0.97);
  CHECK(dense <= 1);
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
  CHECK(kind("op_name,num_gpus,bytes\n1,2,3\n") == "nccl");
  CHECK(kind("op_name,engine,num_gpus,bytes\n1,vllm,2,3\n") == "custom_allreduce");
  CHECK(kind("op_name,isl,kv_len,num_heads,num_key_value_heads\n1,1,128,16,8\n") ==
        "generation_attention");
  CHECK(kind("op_name,isl,kv_len,num_heads,num_key_value_heads\n1,1,0,16,8\n1,8,0,16,8\n") ==
        "context_attention");
  CHECK(kind("batch_size,isl,kv_len,num_heads\n1,1,128,16\n") == "generation_mla");
  CHECK(kind("batch_size,isl,kv_len,num_heads\n1,512,0,16\n") == "context_mla");
  CHECK_THROWS_WITH_AS(kind("a,b\n1,2\n"),
                       "t.csv: the columns (a, b) are those of no kind of table", sim::InputError);
}

TEST_CASE("a table of wide expert parallelism has slots, and rows that reach the measured rank") {
  const std::string header =
      "moe_dtype,num_tokens,dp_num_tokens,rank0_num_tokens,hidden_size,inter_size,topk,num_experts,"
      "num_slots,moe_ep_size,distribution,latency_us\n";
  const CsvTable table = CsvTable::parse(
      header + "fp8_block,128,16,62,7168,2048,8,256,288,8,power_law_1.2_eplb,456\n", "t.csv");
  CHECK(detect_kind(table) == "wideep_moe");
  const auto tasks = read_tasks("wideep_moe", table, h100(), "trtllm");
  REQUIRE(tasks.size() == 1);
  CHECK(tasks[0]->variant() == "fp8_block");
  // Of the axes: 36 slots on a rank, and the 62 tokens that reach it.
  const std::vector<double> axes = tasks[0]->axes(0);
  const auto names = tasks[0]->axis_names();
  const auto axis = [&](std::string_view name) {
    return axes[static_cast<std::size_t>(std::ranges::find(names, name) - names.begin())];
  };
  CHECK(axis("groups") == 36);
  CHECK(axis("tokens") == 62);
  CHECK(
      error_of("wideep_moe",
               header + "fp8_block,96,12,62,7168,2048,8,256,200,8,power_law_1.2_eplb,456\n") ==
      "t.csv:2: num_slots: expected at least num_experts, and as many on every rank, not \"200\"");
}

TEST_CASE("decode and prefill after a dispatch are told apart row by row, unless the name says") {
  // 128 tokens a rank are of decode, 256 of prefill.
  const std::string rows =
      "num_tokens,hidden_size,inter_size,topk,num_experts,moe_ep_size,distribution\n"
      "1024,7168,2048,8,256,8,uniform\n2048,7168,2048,8,256,8,uniform\n";
  const auto tasks = read_tasks("wideep_moe", CsvTable::parse(rows, "t.csv"), h100(), "");
  REQUIRE(tasks.size() == 2);
  CHECK(tasks[0]->variant() == "decode");
  CHECK(tasks[1]->variant() == "prefill");
  CHECK(read_tasks("wideep_moe", CsvTable::parse(rows, "t_prefill.csv"), h100(), "").size() == 1);
}

TEST_CASE("TensorRT-LLM's all-to-all sends a token once to each rank that has an expert of its") {
  // 1000 tokens of 7168 in 16 bits on 4 ranks, top 8: each goes to all four, three of them over the
  // link: 43 MB at 900 GB/s are 47.8 us at least. To prepare moves nothing.
  const auto b200 = hardware::load_device("configs/devices/b200.yaml");
  const CsvTable table = CsvTable::parse(
      "op_name,kernel_source,moe_dtype,num_tokens,hidden_size,topk,num_experts,moe_ep_size\n"
      "alltoall_dispatch,NVLinkTwoSided,bfloat16,1000,7168,8,256,4\n"
      "alltoall_prepare,NVLinkTwoSided,bfloat16,1000,7168,8,256,4\n",
      "t.csv");
  CHECK(detect_kind(table) == "trtllm_alltoall");
  const auto tasks = read_tasks("trtllm_alltoall", table, b200, "trtllm");
  REQUIRE(tasks.size() == 2);
  CHECK(tasks[0]->variant() == "dispatch_NVLinkTwoSided");
  CHECK(tasks[0]->least_us(0) == doctest::Approx(1000.0 * 7168 * 2 * 3 / 900e3));
  CHECK(tasks[1]->least_us(0) == 0);
  // launch + 2 hops + 1000 tokens x 5 ns, by the values that a fit starts from.
  std::vector<double> start;
  for (const ParameterInfo& p : tasks[1]->parameters()) start.push_back(p.initial);
  CHECK(tasks[1]->model_us(0, start) == doctest::Approx(10 + 2 * 0.7 + 5));
  // The link at 0.7 x (1 - 0.3 / 4) of its rate, and a quarter of the rows through the memory.
  const double remote = 1000.0 * 7168 * 2 * 3 / (900e3 * 0.7 * 0.925);
  CHECK(tasks[0]->model_us(0, start) ==
        doctest::Approx(10 + 2 * 0.7 + 5 + remote + 1000.0 * 7168 * 2 / (7.7e6 * 0.3)));
  // No device has a fit of it: round figures, and a note.
  CHECK(caveat_of(predict_table("trtllm_alltoall", table, b200, "trtllm")[0])
            .ends_with("(extrapolated)"));
}

TEST_CASE("a block of latent attention goes by the public tables' names, too") {
  const std::string text =
      "gemm_type,kv_cache_dtype,batch_size,kv_len,num_heads\n"
      "fp8_block,bfloat16,64,4096,128\n";
  CHECK(predict_table("mla_generation_module", CsvTable::parse(text, "t.csv"), h100(), "vllm")[0]
            .estimates[0]
            .us ==
        predict_table("generation_mla_module", CsvTable::parse(text, "t.csv"), h100(), "vllm")[0]
            .estimates[0]
            .us);
}

TEST_CASE("whose kernels a table is of is the last engine in its name") {
  CHECK(named_implementation("gemm", "gemm_h100_sglang.csv.gz") == "sglang");
  CHECK(named_implementation("moe", "moe_h100_vllm_mxfp4.csv") == "vllm");
  CHECK(named_implementation("generation_attention", "gen_attn_h200_trtllm_60.csv") == "trtllm");
  CHECK(named_implementation("wideep_moe", "wideep_moe_decode_h100_sglang.csv.gz") == "deepgemm");
  CHECK(named_implementation("gemm", "mine.csv").empty());
  CHECK(named_implementation("nccl", "nccl_sglang.csv").empty());
}

TEST_CASE("a format that says both sides is a variant of its own") {
  const auto tasks = read_tasks(
      "moe",
      CsvTable::parse("moe_dtype,num_tokens,hidden_size,inter_size,topk,num_experts,moe_tp_size,"
                      "moe_ep_size,distribution\nw4a16_mxfp4,64,2880,2880,4,128,1,1,balanced\n"
                      "w4a8_mxfp4_mxfp8,64,2880,2880,4,128,1,1,balanced\n"
                      "int4_wo,64,2880,2880,4,128,1,1,balanced\n",
                      "t.csv"),
      h100(), "trtllm");
  REQUIRE(tasks.size() == 3);
  CHECK(tasks[0]->variant() == "w4a16_mxfp4");
  CHECK(tasks[1]->variant() == "w4a8_mxfp4_mxfp8");
  CHECK(tasks[2]->variant() == "int4");
  // 16 bits and the widening: two parameters more than bf16 has. (14, and 2.)
  CHECK(tasks[0]->parameters().size() == 16);
}

TEST_CASE("experts slower than a task that asks for more are screened, and nothing else is") {
  // Five token counts in tensor parallelism of 1 and 2: half of the work took 1.6 times as long at
  // all. With 1.4 times it would be within what tiles do.
  const auto table = [](double times) {
    std::string text =
        "moe_dtype,num_tokens,hidden_size,inter_size,topk,num_experts,moe_tp_size,moe_ep_size,"
        "distribution,latency_us\n";
    for (const int tokens : {1, 2, 4, 8, 16}) {
      const auto row = [&](int tp, const char* law, double us) {
        return "bfloat16," + std::to_string(tokens) + ",2048,1024,2,8," + std::to_string(tp) +
               ",1," + law + "," + std::to_string(us) + "\n";
      };
      text +=
          row(1, "balanced", 100) + row(2, "balanced", 100 * times) + row(1, "power_law_1.2", 90);
    }
    return CsvTable::parse(text, "t.csv");
  };
  const CsvTable slow = table(1.6), fine = table(1.4);
  const std::vector<bool> rows = slow_tasks(TableReader(slow));
  for (std::size_t row = 0; row < rows.size(); ++row) CHECK(rows[row] == (row % 3 == 1));
  for (const bool screened : slow_tasks(TableReader(fine))) CHECK(!screened);
  const auto tasks = read_tasks("moe", slow, h100(), "trtllm");
  CHECK(!tasks[0]->usable(1));
  CHECK(tasks[0]->usable(0));
}

TEST_CASE("inputs that were measured several ways are pointed at") {
  const std::string note = repeated_rows_note(
      CsvTable::parse(kGemm + "bfloat16,1,1,1,10\nbfloat16,1,1,1,25\nbfloat16,2,1,1,10\n"
                              "bfloat16,2,1,1,10.5\nbfloat16,3,1,1,10\n",
                      "t.csv"));
  CHECK(
      note ==
      "t.csv: 1 inputs are there more than once with times over 1.1 times apart, t.csv:2 at 10 us "
      "and 25 us: several kernels under one name?");
  CHECK(repeated_rows_note(CsvTable::parse(kGemm + "bfloat16,1,1,1,10\n", "t.csv")).empty());
}
