// Which layouts an engine's file says that it can start.
#include "workloads/deployment/layout_rules.h"

#include <doctest/doctest.h>

#include "tests/workloads/step/hand_scenario.h"
#include "workloads/deployment/check.h"
#include "workloads/deployment/engine_file.h"
#include "workloads/deployment/size_rule.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

using Problems = std::vector<std::string>;

Engine with_rules(LayoutRules rules) {
  Engine engine;
  engine.name = "An engine 1.0";
  engine.rules = std::move(rules);
  return engine;
}

// 4 heads of 2 key heads; 4 experts, 500 wide.
ModelSpec model() {
  return hand_model({layer_of(hand_attention(), hand_moe())});
}

Problems problems(LayoutRules rules, const Parallelism& layout, const Formats& formats = {}) {
  return rule_problems(with_rules(std::move(rules)), model(), layout, formats);
}

}  // namespace

TEST_CASE("a rule is a product or quotient of numbers and sizes, or what a size divides") {
  const auto number = [](std::string_view name) -> std::int64_t {
    return name == "tp" ? 4 : name == "dp" ? 6 : 0;
  };
  CHECK(parse_size_rule("8")->value(number) == 8);
  CHECK(parse_size_rule("tp * dp")->value(number) == 24);
  CHECK(parse_size_rule("tp*dp/3")->value(number) == 8);
  CHECK(parse_size_rule("dp / tp")->value(number) == std::nullopt);  // 1.5
  CHECK(parse_size_rule("heads")->value(number) == std::nullopt);    // there are none
  CHECK(parse_size_rule("divides tp * 2")->divisor);
  CHECK(parse_size_rule("divides tp * 2")->value(number) == 8);
  for (const char* wrong : {"", "tp *", "* tp", "tp dp", "0", "-1", "1e3", "divides", "most 8"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_size_rule(wrong).has_value());
  }
}

TEST_CASE("a size that none of an engine's rules allows is a problem, with those that do") {
  // 8 ranks of tp 2: vLLM has experts whole, or over all of them.
  const LayoutRules vllm{{"ep", {"1", "tp * dp"}}};
  CHECK(problems(vllm, {.tp = 2, .dp = 4, .ep = 8}).empty());
  CHECK(problems(vllm, {.tp = 2, .dp = 4, .ep = 4, .etp = 2}) ==
        Problems{"ep = 4: An engine 1.0 starts 1 or tp * dp = 8 (rules of its file)"});
  CHECK(problems({{"tp", {"divides heads"}}}, {.tp = 4, .etp = 4}).empty());
  CHECK(problems({{"tp", {"divides kv_heads"}}}, {.tp = 4, .etp = 4}) ==
        Problems{"tp = 4: An engine 1.0 starts what divides kv_heads = 2 (rules of its file)"});
  // 4 over 3 experts' groups is no size.
  CHECK(problems({{"pp", {"tp / 3"}}}, {.tp = 4, .etp = 4}) ==
        Problems{"pp = 1: An engine 1.0 starts none of this layout (rules of its file)"});
}

TEST_CASE("a size whose rule hangs on one that is refused is not asked for beside it") {
  // ep = 4 of 8 is refused; that etp = 8 / 4 would go with it is no way out.
  const LayoutRules vllm{{"ep", {"1", "tp * dp"}}, {"etp", {"tp * dp / ep"}}};
  CHECK(problems(vllm, {.tp = 8, .ep = 4}) ==
        Problems{"ep = 4: An engine 1.0 starts 1 or tp * dp = 8 (rules of its file)"});
  CHECK(problems(vllm, {.tp = 8, .ep = 8}).empty());
}

TEST_CASE("ranks that share no experts are engines of their own to the rules") {
  // Two times tp 2 with its experts over the two: ep = tp of each.
  const LayoutRules vllm{{"ep", {"1", "tp * dp"}}};
  CHECK(problems(vllm, {.tp = 2, .dp = 2, .ep = 2}).empty());
  CHECK(problems(vllm, {.tp = 1, .dp = 4, .ep = 2}) ==
        Problems{"ep = 2: An engine 1.0 starts 1 or tp * dp = 4 (rules of its file)"});
}

TEST_CASE("blocks that are cut are refused where the rules say so, else a note") {
  // 512 over 4 is 128, a block; over 8 it is 64.
  MoeFfn moe = hand_moe();
  moe.inter = 512;
  const ModelSpec wide = hand_model({layer_of(NoMixer{}, moe)});
  Formats formats;
  formats.experts = hardware::Precision::FP8Block;
  const Engine strict = with_rules({{"whole_blocks", {"fp8_block"}}});
  const Parallelism four{.tp = 4, .etp = 4}, eight{.tp = 8, .etp = 8};
  CHECK(rule_problems(strict, wide, four, formats).empty());
  CHECK(
      rule_problems(strict, wide, eight, formats) ==
      Problems{"experts of width 512 over etp = 8 are 64 wide on a rank, no whole number of "
               "fp8_block's blocks of 128: An engine 1.0 refuses it (rules of its file); etp 4 or "
               "2 would do"});
  CHECK(block_notes(strict, wide, eight, formats).empty());
  CHECK(rule_problems(with_rules({{"whole_blocks", {"nvfp4"}}}), wide, eight, formats).empty());
  CHECK(block_notes({}, wide, eight, formats) ==
        Problems{"experts of width 512 over etp = 8 are 64 wide on a rank, no whole number of "
                 "fp8_block's blocks of 128: engines refuse it or pad it to 128, 100 % more"});
}

TEST_CASE("what would do, would do for all of the model") {
  // Over 32 ranks 18,432 are 576 wide, no whole blocks of 128; over 24 and 18 they are, but 128
  // heads are not divided; over 16 they are 9 blocks.
  const ModelSpec tall = hand_model({layer_of(
      GqaAttention{.heads = 128, .kv_heads = 128, .head_dim = 8}, DenseFfn{.inter = 18'432})});
  const Engine strict = with_rules({{"whole_blocks", {"fp8_block", "int4"}}});
  const Parallelism layout{.tp = 32, .etp = 32};
  Formats fp8;
  fp8.dense_ffn = hardware::Precision::FP8Block;
  CHECK(rule_problems(strict, tall, layout, fp8) ==
        Problems{"dense FFNs of width 18432 over tp = 32 are 576 wide on a rank, no whole number "
                 "of fp8_block's blocks of 128: An engine 1.0 refuses it (rules of its file); tp "
                 "16 or 8 would do"});
  // Groups of 128 of int4 are cut alike.
  Formats int4;
  int4.dense_ffn = int4.experts = hardware::Precision::INT4;
  int4.int4_scale_bytes = 2.0 / 128;
  CHECK(rule_problems(strict, tall, layout, int4).size() == 1);
  CHECK(rule_problems(strict, tall, {.tp = 16, .etp = 16}, int4).empty());
  // Those of experts are made smaller by engines: a note.
  MoeFfn moe = hand_moe();
  moe.inter = 512;
  const ModelSpec wide = hand_model({layer_of(NoMixer{}, moe)});
  const Parallelism eight{.tp = 8, .etp = 8};
  CHECK(rule_problems(strict, wide, eight, int4).empty());
  CHECK(block_notes(strict, wide, eight, int4) ==
        Problems{"experts of width 512 over etp = 8 are 64 wide on a rank, no whole number of "
                 "int4's blocks of 128: engines refuse it or halve the groups until they do"});
}

TEST_CASE("a deployment with an engine is checked by its rules") {
  auto d = hand_deployment(hand_model(), {.dp = 4, .ep = 2});
  CHECK(check(d).empty());
  d.engine = with_rules({{"ep", {"1", "tp * dp"}}});
  const auto found = check(d);
  REQUIRE(found.size() == 1);
  CHECK(found[0].key == "parallelism");
  CHECK(found[0].text == "ep = 2: An engine 1.0 starts 1 or tp * dp = 4 (rules of its file)");
}

TEST_CASE("the engines that ship have rules") {
  for (const std::string& name : engine_names("configs/engines")) {
    CAPTURE(name);
    CHECK_FALSE(load_engine(find_engine("configs/engines", name).file).rules.empty());
  }
}
