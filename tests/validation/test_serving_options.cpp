// What measured runs were started with, found for a row.
#include <doctest/doctest.h>

#include <filesystem>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "validation/serving/drafted_rows.h"
#include "validation/serving/e2e_validation.h"
#include "validation/serving/option_cells.h"

using namespace moesim;
using namespace moesim::validation;

namespace {

constexpr const char* kHeader =
    "engine,engine_version,model,system,precision,mode,isl,osl,date_from,concurrency_min,"
    "concurrency_max,tp,ep,dp_attention,max_num_tokens,max_num_seqs,chunk,kv_cache_dtype,"
    "memory_fraction,recv_interval,batch_wait_iters,batch_wait_ratio,expert_parallel,attention_dp_"
    "balance,"
    "speculation,moe_backend\n";

E2eRow row() {
  E2eRow r;
  r.engine = "sglang";
  r.version = "0.5.9";
  r.model = "m";
  r.system = "b200_sxm";
  r.precision = "fp4";
  r.isl = 8192;
  r.osl = 1024;
  r.concurrency = 16;
  r.layout = {.tp = 4, .etp = 4};
  return r;
}

OptionTable table(const tests::TemporaryFolder& folder, const std::string& lines) {
  return OptionTable::read(folder.file("o.csv", kHeader + lines));
}

}  // namespace

TEST_CASE("a budget is a number or a formula of lengths and concurrency") {
  const E2eRow r = row();
  CHECK(value_of("16384", r) == 16384);
  CHECK(value_of("C", r) == 16);
  CHECK(value_of("2*isl", r) == 16384);
  CHECK(value_of("max(C 128)", r) == 128);
  CHECK(value_of("max_model_len", r) == 8192 + 1024 + 200);
  // 8192 + 16 + 64 = 8272, of which 64 go 129.25 times: 130.
  CHECK(value_of("roundup64(isl+C+64)", r) == 8320);
  CHECK(value_of("max(8192 roundup64(isl+C+64))", r) == 8320);
  for (const char* wrong :
       {"", "D", "2*", "max(C", "max()", "min(C 2)", "1.5", "C C", "+C", "9999999999999"}) {
    CAPTURE(wrong);
    CHECK_FALSE(value_of(wrong, r).has_value());
  }
}

TEST_CASE(
    "of the options that fit a row the first in force are taken, and how many differ is said") {
  const tests::TemporaryFolder folder;
  const OptionTable options = table(
      folder,
      "sglang,0.5.9,m,b200_sxm,fp4,agg,*,*,2026-03-25,16,128,4|8,1,off,32768,C,16384,fp8_e4m3,0.85,"
      "30,,,off,on; wait 0; timeout 60,,MXFP4_USE_MARLIN=1\n"
      "sglang,0.5.9,m,b200_sxm,fp4,agg,*,*,2026-01-01,16,128,4,*,*,32768,256,16384,auto,0.8,10,,,"
      "off,on; wait ; timeout,,\n"
      "sglang,0.5.9,m,b200_sxm,fp4,agg,*,*,2026-05-01,16,128,4,1,off,1,C,1,fp8,0.1,1,,,off,,mtp "
      "3,\n"
      "sglang,0.5.9,m,b200_sxm,fp4,disagg,*,*,2026-05-01,16,128,4,1,off,1,C,1,fp8,0.1,1,,,off,,,\n"
      "trtllm,1.1,m,b200_sxm,fp4,agg,8192,1024,2025-09-18,4,*,4,1,off,16384,,,fp8,,,20,0.9,on,,,\n"
      "trtllm,1.2,m,b200_sxm,fp4,agg,8192,1024,2026-01-21,4,*,4,1,off,8192,,,fp8,,,40,0.8,on,,,\n");
  const auto found = options.of(row());
  CHECK(found.sets == 2);
  CHECK(found.options == RunOptions{.tokens = 32768,
                                    .sequences = 256,
                                    .chunk = 16384,
                                    .receive_interval = 10,
                                    .balance = 50,
                                    .memory_fraction = 0.8,
                                    .cache = "bf16",
                                    .expert_parallel = false});
  // The other one, where it alone fits.
  E2eRow later = row();
  later.layout = {.tp = 8, .etp = 8};
  CHECK(options.of(later).options == RunOptions{.tokens = 32768,
                                                .sequences = 16,
                                                .chunk = 16384,
                                                .receive_interval = 30,
                                                .balance = 60,
                                                .memory_fraction = 0.85,
                                                .cache = "fp8",
                                                .moe = "marlin",
                                                .expert_parallel = false});
  CHECK_FALSE(found.assumed);
  // The label's ep counts, whatever layout it was taken for; the second line allows any.
  E2eRow wide = row();
  wide.label_ep = 4;
  CHECK(options.of(wide).sets == 1);
  CHECK(options.of(wide).options.receive_interval == 10);
  CHECK(options.of(wide).options.cache == "bf16");
  CHECK(options.of(wide).options.balance == 50);  // the engine's own where nothing is said
  const auto none = [&](auto change) {
    E2eRow r = row();
    change(r);
    return options.of(r).sets == 0 && options.of(r).options == RunOptions{};
  };
  CHECK(none([](E2eRow& r) { r.version = "0.5.10"; }));
  CHECK(none([](E2eRow& r) { r.concurrency = 8; }));
  CHECK(none([](E2eRow& r) { r.concurrency = 256; }));
  CHECK(none([](E2eRow& r) { r.model = "n"; }));
  CHECK(none([](E2eRow& r) { r.system = "h200_sxm"; }));
  CHECK(none([](E2eRow& r) { r.precision = "fp8"; }));
  CHECK(none([](E2eRow& r) { r.layout = {.tp = 2, .etp = 2}; }));

  // A row without a version is older than those that name theirs.
  E2eRow old = row();
  old.engine = "trtllm";
  old.version = "";
  CHECK(options.of(old).sets == 1);
  CHECK(options.of(old).options == RunOptions{.tokens = 16384,
                                              .batch_wait = 20,
                                              .batch_wait_share = 0.9,
                                              .cache = "fp8",
                                              .expert_parallel = true});
  old.isl = 1024;
  CHECK(options.of(old).sets == 0);
  CHECK(options.of(old).options == RunOptions{});
}

TEST_CASE("rows that only drafting recipes cover, and the quicker of two, are set apart") {
  const tests::TemporaryFolder folder;
  const OptionTable options = table(
      folder,
      "sglang,0.5.9,m,b200_sxm,fp4,agg,*,*,2026-03-25,4,8,4,1,off,32768,C,16384,fp8,0.85,30,,,off,,"
      ",\n"
      "sglang,0.5.9,m,b200_sxm,fp4,agg,*,*,2026-03-25,4,512,4,1,off,16384,C,16384,fp8,0.8,30,,,off,"
      ",EAGLE steps 2,\n");
  const auto at = [](const char* name, std::int64_t concurrency, double tpot_ms) {
    E2eRow r = row();
    r.name = name;
    r.mode = "agg";
    r.concurrency = concurrency;
    r.tpot_ms = tpot_ms;
    r.ttft_ms = 500;
    return r;
  };
  E2eRow own = at("own run", 512, 60), newer = at("newer", 512, 60), apart = at("apart", 512, 60);
  own.isl = 2048;  // in no sweep
  newer.version = "0.5.12";
  apart.mode = "disagg";
  E2eRows rows{
      .rows = {at("drafts", 4, 6.7), at("plain", 4, 8.76), at("repeat", 8, 9.6),
               at("repeated", 8, 10), at("alone", 8, 9.6), at("512", 512, 60), own, newer, apart},
      .skipped = {{"before", 1}}};
  rows.rows[4].osl = 8192;  // another load: nothing that is slower
  CHECK(options.may_draft(rows.rows[0]));
  CHECK_FALSE(options.may_draft(newer));
  set_drafted_apart(rows, options);
  std::vector<std::string> kept;
  for (const E2eRow& r : rows.rows) kept.push_back(r.name);
  CHECK(kept == std::vector<std::string>{"plain", "repeat", "repeated", "alone", "own run", "newer",
                                         "apart"});
  REQUIRE(rows.skipped.size() == 3);
  CHECK(rows.skipped[0].reason == "before");
  CHECK(rows.skipped[1].reason == "recipes draft tokens: how many are taken is in no column");
  CHECK(rows.skipped[1].n == 1);
  CHECK(rows.skipped[2].reason == "quicker than its label's other row, and a recipe drafts");
  CHECK(rows.skipped[2].n == 1);
  // Where nothing drafts nothing is said.
  set_drafted_apart(rows, table(folder, ""));
  CHECK(rows.rows.size() == 7);
  CHECK(rows.skipped.size() == 3);
}

// Output tokens a second of 1,024 tokens of 10 ms: 4 x 1024 / 10.73 s = 382, with 8 and 16 clients
// 763 and 1,527. Of 20 ms with 32: 32 x 1024 / 20.96 = 1,563; with 512, of 40 ms, 12,658.
TEST_CASE("a deployment is saturated by its own rows, not by those that drafted") {
  const tests::TemporaryFolder folder;
  const OptionTable options = table(
      folder,
      "sglang,0.5.9,m,b200_sxm,fp4,agg,*,*,2026-03-25,4,32,4,1,off,32768,C,16384,fp8,0.85,30,,,off,"
      ",,\n"
      "sglang,0.5.9,m,b200_sxm,fp4,agg,*,*,2026-03-25,4,512,4,1,off,16384,C,16384,fp8,0.8,30,,,off,"
      ",EAGLE steps 2,\n");
  E2eRows rows;
  for (const auto& [concurrency, tpot_ms] :
       {std::pair<std::int64_t, double>(4, 10), {8, 10}, {16, 10}, {32, 20}, {512, 40}}) {
    E2eRow& r = rows.rows.emplace_back(row());
    r.mode = "agg";
    r.concurrency = concurrency;
    r.tpot_ms = tpot_ms;
    r.ttft_ms = 500;
  }
  mark_saturated(rows.rows);
  CHECK_FALSE(rows.rows[3].saturated);
  set_drafted_apart(rows, options);
  REQUIRE(rows.rows.size() == 4);
  CHECK_FALSE(rows.rows[1].saturated);
  CHECK(rows.rows[2].saturated);
  CHECK(rows.rows[3].saturated);
}

TEST_CASE("TensorRT-LLM outside the sweeps reads one prompt beside its batch") {
  const tests::TemporaryFolder folder;
  const OptionTable options = table(folder, "");
  E2eRow r = row();
  r.engine = "trtllm";
  r.isl = 2048;
  r.osl = 256;
  // 16 + 2048 + 1500.
  CHECK(options.of(r).sets == 0);
  CHECK(options.of(r).options == RunOptions{.tokens = 3564, .sequences = 16});
  CHECK(options.of(r).assumed);
  r.engine = "vllm";
  CHECK(options.of(r).options == RunOptions{});
  CHECK_FALSE(options.of(r).assumed);
}

TEST_CASE("options that cannot be read are told where they stand") {
  const tests::TemporaryFolder folder;
  CHECK(tests::thrown<sim::InputError>([&] {
          table(folder,
                "sglang,0.5.9,m,b200_sxm,fp4,agg,*,*,2026-03-25,16,128,4,1,off,twice isl,C,16384,"
                "fp8,0.85,30,,,off,,,\n");
        }) == (folder.path() / "o.csv").string() +
                  ":2: max_num_tokens: expected a number or a formula of isl, osl and C such as "
                  "max(8192 2*isl), not \"twice isl\"");
  const std::string message = tests::thrown<sim::InputError>(
      [&] { OptionTable::read(folder.file("p.csv", "mode,speculation\nagg,\n")); });
  CHECK(message.find("column \"expert_parallel\" is missing") != std::string::npos);
}

TEST_CASE("what an engine's host takes is found on small batches of other models") {
  const auto played = [](const char* version, const char* model, std::int64_t clients,
                         std::int64_t isl, double measured, double predicted) {
    E2ePrediction p;
    p.row = row();
    p.row.version = version;
    p.row.model = model;
    p.row.concurrency = clients;
    p.row.isl = isl;
    p.row.ttft_ms = measured;
    p.row.tpot_ms = p.tpot_ms = 1;
    p.ttft_ms = predicted;
    p.bare_tpot_ms = 0.5;
    p.bare_ttft_ms = 0.3 * measured;
    return p;
  };
  // Of a's small batches 30 and 50 ms are missing: 40 for b. Neither 64 clients nor 8,192 tokens
  // count, nor a cold row. b misses 20 in version 2, and 60 in version 1, which is a's.
  std::vector<E2ePrediction> all{
      played("1", "a", 4, 1024, 130, 100),  played("1", "a", 8, 512, 150, 100),
      played("1", "a", 64, 1024, 900, 100), played("1", "a", 4, 8192, 900, 100),
      played("1", "b", 4, 1024, 160, 100),  played("2", "b", 4, 1024, 120, 100)};
  all.push_back(played("1", "a", 4, 1024, 9000, 100));
  all.back().row.cold = true;
  const E2eSummary summary = summarise_e2e(all);
  CHECK(summary.host_ms ==
        std::map<std::string, double>{{"sglang 1 a", 60}, {"sglang 1 b", 40}, {"sglang 2 b", 40}});
  // Single steps were half of each token's time, and 70 % less than warm rows' first tokens.
  CHECK(summary.bare_tpot.n == 7);
  CHECK(summary.bare_tpot.bias == doctest::Approx(-50));
  CHECK(summary.bare_ttft.n == 6);
  CHECK(summary.bare_ttft.median == doctest::Approx(70));
  // Six warm rows: 160, 160, 160, 160 of a for 130, 150, 900, 900; 140 and 140 of b for 160, 120.
  // Errors in percent: +23.1, +6.7, -82.2, -82.2, -12.5, +16.7: the middle of the sizes is between
  // 16.7 and 23.1.
  CHECK(summary.ttft_with_host.n == 6);
  CHECK(summary.ttft_with_host.median == doctest::Approx(19.9).epsilon(0.01));
  CHECK(summary.ttft_with_host_by.at("sglang").n == 6);
  // One model alone says nothing of itself.
  const E2eSummary one = summarise_e2e({played("1", "a", 4, 1024, 130, 100)});
  CHECK(one.host_ms.empty());
  CHECK(one.ttft_with_host.n == 0);
  CHECK(one.ttft.n == 1);
}

TEST_CASE("deployments of a model under one load are ranked where they differ") {
  const auto played = [](std::int64_t tp, std::int64_t clients, double measured, double predicted) {
    E2ePrediction p;
    p.row = row();
    p.row.layout = {.tp = tp, .etp = tp};
    p.row.concurrency = clients;
    p.row.osl = 101;
    p.row.ttft_ms = p.ttft_ms = 100;
    p.row.tpot_ms = measured;
    p.tpot_ms = predicted;
    return p;
  };
  // At 16 clients tp 1 is slower than 2 and than 4: both predicted. 4 is 4 % quicker than 2, which
  // is no difference. At 32 the order is predicted the other way round. 64 is alone, and its repeat
  // no choice.
  const std::vector<E2ePrediction> all{
      played(1, 16, 20, 30), played(2, 16, 12.5, 11), played(4, 16, 12, 14), played(1, 32, 20, 10),
      played(2, 32, 15, 11), played(1, 64, 9, 9),     played(1, 64, 20, 9)};
  const E2eSummary summary = summarise_e2e(all);
  CHECK(summary.tpot_ranking.pairs == 3);
  CHECK(summary.tpot_ranking.right == 2);
  // A GPU of tp 1 gives the most each time, 16 x 101 / 2.1 s against half of 16 x 101 / 1.35 s and
  // a quarter of 16 x 101 / 1.3 s: predicted / 3.1, / 1.2 / 2, / 1.5 / 4. So four pairs; that of tp
  // 1 and 2 at 16 is predicted the other way round (521 and 673).
  CHECK(summary.rate_ranking.pairs == 4);
  CHECK(summary.rate_ranking.right == 3);
}

TEST_CASE("rows of prompts read apart are engines of two kinds, where both say how many") {
  const tests::TemporaryFolder folder;
  const std::string head =
      "case,engine,engine_version,model,system,precision,mode,isl,osl,concurrency,tp_size,"
      "attention_dp_size,moe_tp_size,moe_ep_size,prefill_num_workers,prefill_tp_size,"
      "prefill_attention_dp_size,prefill_moe_tp_size,prefill_moe_ep_size,decode_num_workers,"
      "decode_tp_size,decode_attention_dp_size,decode_moe_tp_size,decode_moe_ep_size,"
      "silicon_ttft_ms,silicon_tpot_ms\n";
  const auto line = [](const char* name, const char* prefill, const char* decode,
                       const char* ttft = "900") {
    return std::string(name) + ",trtllm,1,m,h200_sxm,fp8,disagg,8192,1024,64,,,,," + prefill + "," +
           decode + "," + ttft + ",20\n";
  };
  const E2eRows rows = read_e2e({folder.file(
      "e.csv", head + line("a", "2,1,8,1,8", "5,8,1,1,8") + line("b", ",8,1,8,1", ",8,1,8,1") +
                   line("c", "1,4,2,1,4", "1,8,1,1,8", "901"))});
  REQUIRE(rows.rows.size() == 1);
  const E2eRow& row = rows.rows.front();
  REQUIRE(row.prefill.has_value());
  CHECK(row.prefill->workers == 2);
  CHECK(row.prefill->layout.dp == 8);
  CHECK(row.workers == 5);
  CHECK(row.layout.tp == 8);
  CHECK(row.layout.ep == 8);
  CHECK(row.gpus() == 2 * 8 + 5 * 8);
  CHECK(row.group() == "trtllm m h200_sxm fp8 apart");
  CHECK(row.deployment() ==
        "trtllm 1 m h200_sxm fp8 2 x prefill tp1 dp8 ep8 etp1 beside 5 x tp8 dp1 ep8 etp1");
  REQUIRE(rows.skipped.size() == 2);
  CHECK(rows.skipped[0].reason == "layout labels do not multiply up");
  CHECK(rows.skipped[1].reason == "prefill and decode apart: how many engines is not said");
  // What its labels have is kept for recipes: 8 x 1 GPUs each, experts in one group.
  REQUIRE(rows.unsaid.size() == 1);
  CHECK(rows.unsaid[0].row.name == "b");
  CHECK(rows.unsaid[0].reads_gpus == 8);
  CHECK(rows.unsaid[0].reads_ep == 1);
  CHECK(rows.unsaid[0].generates_gpus == 8);
  // 56 GPUs are seven nodes; pools in place of one engine.
  const std::string scenario =
      scenario_of(row, {.model_file = [](const std::string&) { return std::string("m.yaml"); },
                        .configs = "configs"});
  CHECK(scenario.find("cluster: {file: configs/clusters/h200-8x8.yaml, nodes: 7}\n") !=
        std::string::npos);
  CHECK(
      scenario.find("  pools: {prefill: {replicas: 2, parallelism: {tp: 1, dp: 8, ep: 8, etp: 1}}, "
                    "decode: {replicas: 5, parallelism: {tp: 8, dp: 1, ep: 8, etp: 1}}}\n") !=
      std::string::npos);
}

TEST_CASE("lengths of one benchmark are drawn, of others as they are said") {
  const E2eOptions options{.model_file = [](const std::string&) { return std::string("m.yaml"); },
                           .configs = "configs"};
  E2eRow r = row();
  CHECK(scenario_of(r, options).find("input: {law: uniform, low: 6553, high: 8192}") !=
        std::string::npos);
  r.isl = 4096;
  CHECK(scenario_of(r, options).find("input: {law: uniform, low: 4096, high: 4096}") !=
        std::string::npos);
}

TEST_CASE("an FP4 checkpoint of a mixture has its attention in 16 bits, of a dense model not") {
  const E2eOptions options{.model_file = [](const std::string&) { return std::string("m.yaml"); },
                           .configs = "configs"};
  E2eRow r = row();
  r.model = "deepseek-ai/DeepSeek-R1";
  CHECK(scenario_of(r, options).find("weights: nvfp4, attention: bf16, kv_cache: fp8") !=
        std::string::npos);
  r.model = "meta-llama/Llama-3.1-70B";
  CHECK(scenario_of(r, options).find("{weights: nvfp4, kv_cache: fp8}") != std::string::npos);
}

TEST_CASE("whether experts are parallel is the recipe's word where the label leaves it open") {
  const E2eOptions options{.model_file = [](const std::string&) { return std::string("m.yaml"); },
                           .configs = "configs"};
  const auto sizes = [&](const E2eRow& r, std::optional<bool> parallel) {
    const std::string text = scenario_of(r, options, {.expert_parallel = parallel});
    const std::size_t begin = text.find("parallelism: {");
    return text.substr(begin, text.find('}', begin) + 1 - begin);
  };
  E2eRow r = row();  // tp 4, ep 1
  CHECK(sizes(r, {}) == "parallelism: {tp: 4, dp: 1, ep: 1, etp: 4}");
  CHECK(sizes(r, false) == "parallelism: {tp: 4, dp: 1, ep: 1, etp: 4}");
  CHECK(sizes(r, true) == "parallelism: {tp: 4, dp: 1, ep: 4, etp: 1}");
  // Taken to be parallel by the model's other recipes, though its label says 1.
  r.layout = {.tp = 4, .ep = 4, .etp = 1};
  CHECK(sizes(r, {}) == "parallelism: {tp: 4, dp: 1, ep: 4, etp: 1}");
  CHECK(sizes(r, false) == "parallelism: {tp: 4, dp: 1, ep: 1, etp: 4}");
  // A label that says so leaves nothing open.
  r.label_ep = 4;
  CHECK(sizes(r, false) == "parallelism: {tp: 4, dp: 1, ep: 4, etp: 1}");
}

TEST_CASE("a row is played by the first of its engine's files that is not older, or the newest") {
  const tests::TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "engines");
  for (const char* file : {"e-0.9.yaml", "e-0.10.yaml", "e-0.16.yaml", "other-0.11.yaml"})
    folder.file(std::string("engines/") + file, "name: e\n");
  const E2eOptions options{.model_file = [](const std::string&) { return std::string("m.yaml"); },
                           .configs = folder.path().string()};
  const auto played = [&](const char* version) {
    E2eRow r = row();
    r.engine = "e";
    r.version = version;
    const std::string text = scenario_of(r, options);
    const std::size_t begin = text.find("\nengine: ") + 9;
    return text.substr(begin, text.find('\n', begin) - begin);
  };
  CHECK(played("0.9") == "e-0.9");
  CHECK(played("0.9.1") == "e-0.9");
  CHECK(played("0.10.0rc2") == "e-0.10");  // 10 comes after 9
  CHECK(played("0.11.2") == "e-0.16");
  CHECK(played("0.16.0") == "e-0.16");
  CHECK(played("0.17.0") == "e");
  CHECK(played("nightly-5b8c") == "e");
  CHECK(played("") == "e");
}
