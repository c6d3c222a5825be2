// Tables of training's kernels.
#include <doctest/doctest.h>

#include <map>

#include "tests/validation/tables.h"
#include "validation/compare/table_prediction.h"
#include "validation/tables/detect_kind.h"

using namespace moesim;
using namespace moesim::validation;
using sim::io::CsvTable;
using testing::error_of;
using testing::h100;

TEST_CASE("tables of training have cores and products by pass, for the device that a row names") {
  const std::string columns =
      "device,implementation,pass,precision,causal,heads,kv_heads,qk_dim,v_dim,batch,seq,time_us\n";
  const std::string shape = ",fp16,True,16,16,128,128,4,4096,";
  const CsvTable cores =
      CsvTable::parse(columns + "h100_sxm,flash_attention_3,forward" + shape + "474.7\n" +
                          "h100_sxm,flash_attention_3,backward" + shape + "\n" +
                          "h100_pcie,flash_attention_3,forward" + shape + "\n" +
                          "b200,flash_attention_3,forward" + shape + "\n",
                      "t.csv");
  CHECK(detect_kind(cores) == "attention_backward");
  const auto predictions = predict_table("attention_backward", cores, h100(), "");
  REQUIRE(predictions.size() == 2);
  CHECK(predictions[0].task->variant() == "fp16_forward");
  // The card with another board is priced as this one, and says so; another chip is not.
  REQUIRE(predictions[0].estimates.size() == 2);
  CHECK(predictions[0].estimates[0].us == doctest::Approx(474.7).epsilon(0.05));
  CHECK(predictions[0].task->items()[0].guess.empty());
  CHECK(predictions[0].task->items()[1].guess == "device \"h100_pcie\" read as H100 SXM");
  CHECK(predictions.apart.size() == 1);
  CHECK(predictions[1].estimates[0].us / predictions[0].estimates[0].us ==
        doctest::Approx(3.1).epsilon(0.05));

  // Both passes without a fit of the two in one are one after the other.
  const CsvTable both =
      CsvTable::parse(columns +
                          "h100,cudnn,forward,bf16,True,16,16,128,128,2,4096,\n"
                          "h100,cudnn,backward,bf16,True,16,16,128,128,2,4096,\n"
                          "h100,cudnn,forward+backward,bf16,True,16,16,128,128,2,4096,\n",
                      "t.csv");
  std::map<std::size_t, hardware::Estimate> passes;
  for (const TaskPrediction& p : predict_table("attention_backward", both, h100(), ""))
    for (std::size_t i = 0; i < p.estimates.size(); ++i)
      passes[p.task->items()[i].row] = p.estimates[i];
  REQUIRE(passes.size() == 3);
  CHECK(passes[2].us == doctest::Approx(passes[0].us + passes[1].us));
  CHECK(passes[2].high * passes[2].us ==
        doctest::Approx(passes[0].high * passes[0].us + passes[1].high * passes[1].us));

  const auto refused = [&](const std::string& row) {
    return error_of("attention_backward", columns + row + "\n");
  };
  CHECK(refused("h100,cudnn,backward,bf16,maybe,16,16,128,128,4,4096,") ==
        "t.csv:2: causal: expected True or False, not \"maybe\"");
  CHECK(refused("h100,cudnn,back,bf16,True,16,16,128,128,4,4096,") ==
        "t.csv:2: pass: expected forward, backward or forward+backward, not \"back\"");
  CHECK(refused("h100,cudnn,backward,bf16,True,16,32,128,128,4,4096,") ==
        "t.csv:2: kv_heads: expected a divisor of heads, not \"32\"");
  // A format that no core of training has is read as the one there is, and says so.
  const CsvTable eight =
      CsvTable::parse(columns + "h100,cudnn,backward,fp8,True,16,16,128,128,4,4096,\n", "t.csv");
  CHECK(predict_table("attention_backward", eight, h100(), "")[0].task->items()[0].guess ==
        "precision \"fp8\" read as bf16");

  // A weight's gradient has the weight's shape and its tokens as depth; two products in one row are
  // as long as both, groups as long as each in turn.
  const CsvTable products = CsvTable::parse(
      "implementation,pass,precision,accumulate,groups,m,n,k,time_us\n"
      "deepgemm,wgrad,fp8_block,fp32,1,7168,4096,4096,\n"
      "deepgemm,wgrad,fp8_block,fp32,4,7168,4096,4096,\n"
      "deepgemm,forward,fp8_block,no,1,4096,4096,7168,\n"
      "deepgemm,forward,fp8_block,no,1,4096,sum of 2,7168/4096;7168/4096,\n"
      "deepgemm,dgrad,fp8_block,no,1,4096,7168,4096,\n"
      "deepgemm,dgrad,fp8_block,no,1,4096,sum of 1,7168/4096,\n",
      "t.csv");
  CHECK(detect_kind(products) == "gemm_backward");
  const hardware::Device h800 = hardware::load_device("configs/devices/h800.yaml");
  std::map<std::size_t, double> us;
  for (const TaskPrediction& p : predict_table("gemm_backward", products, h800, ""))
    for (std::size_t i = 0; i < p.estimates.size(); ++i)
      us[p.task->items()[i].row] = p.estimates[i].us;
  CHECK(us.at(1) == doctest::Approx(4 * us.at(0)));
  CHECK(us.at(3) == doctest::Approx(2 * us.at(2)));
  CHECK(us.at(5) == doctest::Approx(us.at(4)));
  // Beside the same product forward: 6 bytes of each of 7,168 x 4,096 sums at 0.85 of 3,352 GB/s.
  CHECK(us.at(0) > us.at(2));
}

TEST_CASE("groups of products are a kind of their own, and priced as that where it is fitted") {
  // SimuMax's have the forward's shape in all passes.
  const CsvTable table = CsvTable::parse(
      "kind,stage,groups,m,n,k,out_dtype,accumulate,time_us\n"
      "grouped_gemm,forward,160,154,3072,5120,bf16,False,1725.17\n"
      "grouped_gemm,wgrad,160,154,3072,5120,fp32,True,3678.42\n"
      "gemm,forward,1,154,3072,5120,bf16,False,100\n",
      "t.csv");
  const hardware::Device b200 = hardware::load_device("configs/devices/b200.yaml");
  const auto of = [&](const char* kind, const std::string& impl) {
    std::map<std::size_t, double> us;
    for (const TaskPrediction& p : predict_table(kind, table, b200, impl))
      for (std::size_t i = 0; i < p.estimates.size(); ++i)
        us[p.task->items()[i].row] = p.estimates[i].us;
    return us;
  };
  const auto alone = of("grouped_gemm", ""), composed = of("gemm_backward", "");
  CHECK(alone.size() == 2);  // a row of one product is none of them
  CHECK(alone.at(0) == doctest::Approx(1725).epsilon(0.1));
  CHECK(alone.at(1) == doctest::Approx(3678).epsilon(0.1));
  // In picoseconds, rounded up a product at a time.
  CHECK(composed.at(0) == doctest::Approx(alone.at(0)));
  CHECK(composed.at(1) == doctest::Approx(alone.at(1)));
  CHECK(composed.size() == 3);
  // TensorRT-LLM's have no such fit: one after another.
  const auto others = of("gemm_backward", "trtllm");
  CHECK(others.at(0) == doctest::Approx(160 * others.at(2)));
  CHECK(composed.at(0) < 0.6 * 160 * composed.at(2));

  CHECK(error_of("grouped_gemm", "pass,groups,m,n,k\nforward,2,16,sum,16/16;16/16\n") ==
        "t.csv:2: k: expected one product, of so many groups, not \"16/16;16/16\"");
}
