// How many engines read and generated in measured runs, as the recipes of the runs tell.
#include <doctest/doctest.h>

#include <map>
#include <string>

#include "tests/support/temporary_folder.h"
#include "validation/serving/e2e_validation.h"
#include "validation/serving/option_cells.h"
#include "validation/serving/pool_recipes.h"

using namespace moesim;
using namespace moesim::validation;

namespace {

const std::string kHeader =
    "engine,engine_version,model,system,precision,mode,isl,osl,date_from,concurrency_min,"
    "concurrency_max,prefill_workers,prefill_tp,prefill_ep,prefill_dp_attention,decode_workers,"
    "decode_tp,decode_ep,decode_dp_attention,max_num_tokens,max_num_seqs,chunk,kv_cache_dtype,"
    "memory_fraction,graphs,attention_dp,attention_dp_balance,moe_backend,expert_parallel,"
    "speculation,certainty\n";

// A recipe: when, for how many clients, its workers, whether it drafts.
std::string recipe(const std::string& version, const std::string& date, const std::string& clients,
                   const std::string& workers, const std::string& drafts = "",
                   const std::string& certainty = "recipe", const std::string& on = ",") {
  const std::size_t comma = on.find(',');
  return "sglang," + version + ",deepseek-ai/DeepSeek-R1,gb200,fp8,disagg,1024,1024," + date + "," +
         clients + "," + workers + ",P 8192; D -,P 16; D 512,P 4096; D -,fp8_e4m3,P 0.6; D 0.8," +
         "P eager; D up to 12," + on.substr(0, comma) + ",,," + on.substr(comma + 1) + "," +
         drafts + "," + certainty + "\n";
}

std::vector<PoolRecipe> recipes_of(const tests::TemporaryFolder& folder, const std::string& lines) {
  return read_pool_recipes(folder.file("o.csv", kHeader + lines));
}

UnsaidRow row(const char* name, std::int64_t clients, double tpot_ms, std::int64_t reads_gpus = 4,
              std::int64_t reads_ep = 4, std::int64_t generates_gpus = 8) {
  UnsaidRow u;
  u.row = {.name = name,
           .engine = "sglang",
           .version = "0.5.8",
           .model = "deepseek-ai/DeepSeek-R1",
           .system = "gb200",
           .precision = "fp8",
           .mode = "disagg",
           .isl = 1024,
           .osl = 1024,
           .concurrency = clients};
  u.row.ttft_ms = 500;
  u.row.tpot_ms = tpot_ms;
  u.reads_gpus = reads_gpus;
  u.reads_ep = reads_ep;
  u.generates_gpus = generates_gpus;
  return u;
}

// Rows that stay, by name with their generating workers; reasons of the others; what was taken.
struct Settled {
  std::map<std::string, std::int64_t> workers;
  std::map<std::string, std::int64_t> skipped, taken;
};
Settled settled(std::vector<UnsaidRow> unsaid, const std::vector<PoolRecipe>& recipes) {
  E2eRows rows;
  rows.skipped = {{"prefill and decode apart: how many engines is not said",
                   static_cast<std::int64_t>(unsaid.size())},
                  {"no concurrency", 2}};
  rows.unsaid = std::move(unsaid);
  settle_pools(rows, recipes);
  CHECK(rows.unsaid.empty());
  Settled s;
  for (const E2eRow& r : rows.rows) s.workers[r.name] = r.workers;
  for (const SkippedRows& one : rows.skipped) s.skipped[one.reason] += one.n;
  for (const SkippedRows& one : rows.taken) s.taken[one.reason] += one.n;
  return s;
}

using Counts = std::map<std::string, std::int64_t>;

}  // namespace

TEST_CASE("a cell of two pools has a part of each") {
  CHECK(part_of("P 8192; D 512", PoolSide::Reads) == "8192");
  CHECK(part_of("P 8192; D 512", PoolSide::Generates) == "512");
  CHECK(part_of("P eager; D 35 sizes 1..256; padded", PoolSide::Generates) ==
        "35 sizes 1..256; padded");
  CHECK(part_of("P -; D 100", PoolSide::Reads) == "");
  CHECK(part_of("0.85", PoolSide::Reads) == "0.85");
  CHECK(part_of("0.85", PoolSide::Generates) == "0.85");
}

TEST_CASE("the sizes of graphs are listed as the engine captures them") {
  CHECK(graphs_of("1 2 4; padded", "trtllm") == "1, 2, 4");
  // 7 = 3 + 32 / 8; of 6 sizes up to 32 each is twice the one before.
  CHECK(graphs_of("7 sizes 1..32; padded", "trtllm") == "1, 2, 4, 8, 16, 24, 32");
  CHECK(graphs_of("6 sizes 1..32; padded", "trtllm") == "1, 2, 4, 8, 16, 32");
  CHECK(graphs_of("up to 12", "sglang") == "1, 2, 4, 8, 12");
  // Beyond 128 TensorRT-LLM doubles; SGLang takes every eighth to 256, every sixteenth beyond.
  const std::string trtllm = graphs_of("up to 512; padded", "trtllm");
  CHECK(trtllm.ends_with("120, 128, 256, 512"));
  const std::string sglang = graphs_of("up to 288", "sglang");
  CHECK(sglang.ends_with("248, 256, 272, 288"));
  CHECK(graphs_of("eager", "trtllm") == "");
  CHECK(graphs_of("", "trtllm") == "");
  CHECK(graphs_of("4 2 1", "trtllm") == "");
}

TEST_CASE("a recipe has two pools, each with what it was started with") {
  const tests::TemporaryFolder folder;
  const auto recipes = recipes_of(
      folder, recipe("0.5.8", "2026-02-07", "16,128", "2,4,4,on,3,8,8,on") +
                  // Both in one engine: none of ours.
                  recipe("0.5.8", "2026-02-05", "16,128", "1,8,1,off,0,8,1,off") +
                  // What is started counts: the reader's experts in one group, its heads divided.
                  recipe("0.5.8", "2026-02-06", "16,128", "1,8,8,on,1,8,1,off", "", "recipe",
                         "P off; D -,P off; D on"));
  REQUIRE(recipes.size() == 2);  // the earlier first
  CHECK(recipes[0].reads.layout.tp == 8);
  CHECK(recipes[0].reads.layout.dp == 1);
  CHECK(recipes[0].reads.layout.ep == 1);
  CHECK(recipes[0].reads.layout.etp == 8);
  CHECK(recipes[0].label_ep == 8);
  CHECK(recipes[0].generates.layout.tp == 8);  // the label's word where the recipe says nothing
  CHECK(recipes[0].generates.layout.ep == 8);
  const PoolRecipe& r = recipes[1];
  CHECK(r.reads.workers == 2);
  CHECK(r.reads.layout.dp == 4);
  CHECK(r.reads.layout.tp == 1);
  CHECK(r.reads.layout.etp == 1);
  CHECK(r.generates.workers == 3);
  CHECK(r.generates.layout.dp == 8);
  const ApartRun run = r.run(row("a", 64, 10).row);
  CHECK(run.reads == RunOptions{.tokens = 8192,
                                .sequences = 4,  // 16 over 4 dp ranks
                                .chunk = 4096,
                                .memory_fraction = 0.6,
                                .cache = "fp8"});
  CHECK(run.generates == RunOptions{.sequences = 64,
                                    .memory_fraction = 0.8,
                                    .cache = "fp8",
                                    .graph_sizes = "1, 2, 4, 8, 12"});
  // Tables of aggregated runs alone have no such columns.
  CHECK(read_pool_recipes(folder.file("a.csv", "engine\nvllm\n")).empty());
}

TEST_CASE("workers are taken where all recipes that fit have the same") {
  const tests::TemporaryFolder folder;
  const auto recipes =
      recipes_of(folder, recipe("0.5.8", "2026-02-07", "16,64", "1,4,4,on,2,8,8,off") +
                             recipe("0.5.8", "2026-02-09", "16,64", "1,4,4,on,2,8,8,off") +
                             recipe("0.5.8", "2026-02-07", "64,128", "1,4,4,on,3,8,8,off"));
  const Settled s = settled({row("one", 16, 10), row("same", 16, 10), row("both", 64, 10),
                             row("three", 128, 10), row("beyond", 256, 10),
                             row("other label", 16, 10, 4, 1), row("other size", 16, 10, 4, 4, 16)},
                            recipes);
  CHECK(s.workers == Counts{{"one", 2}, {"three", 3}});
  CHECK(s.skipped ==
        Counts{{"no concurrency", 2},
               {"all figures equal to another row's", 1},
               {"apart: no recipe with sizes of its workers fits", 3},
               {"apart: recipes with other numbers or layouts of workers fit as well", 1}});
  CHECK(s.taken == Counts{{"workers of the one division that recipes have", 2}});
}

TEST_CASE("of two rows of which one drafts the slower is taken, if drafts had no fewer workers") {
  const tests::TemporaryFolder folder;
  const std::string plain = recipe("0.5.8", "2026-02-07", "1,512", "1,4,4,on,2,8,8,off");
  const auto drafting = [](const char* clients, const char* generate) {
    return recipe("0.5.8", "2026-02-08", clients, std::string("1,4,4,on,") + generate + ",8,8,off",
                  "EAGLE steps 2");
  };
  const auto recipes = recipes_of(folder, plain + drafting("1,16", "2") + drafting("32,32", "3") +
                                              drafting("64,64", "1") + drafting("1024,1024", "2"));
  // 9.6 is within 5 % of 10: a repeat. 9.4 is not.
  const Settled s = settled(
      {row("slow", 8, 10), row("repeat", 8, 9.6), row("quick", 8, 9.4), row("alone", 16, 10),
       row("more", 32, 10), row("more quick", 32, 6), row("fewer", 64, 10),
       row("fewer quick", 64, 6), row("never", 128, 10), row("always", 1024, 10)},
      recipes);
  CHECK(s.workers == Counts{{"slow", 2}, {"repeat", 2}, {"more", 2}, {"never", 2}});
  CHECK(s.skipped == Counts{{"no concurrency", 2},
                            {"apart: quicker than its label's other row, and a recipe drafts", 2},
                            {"apart: whether the row is of the recipe that drafts is not said", 1},
                            {"apart: recipes that draft have other workers and fit as well", 2},
                            {"apart: all recipes that fit draft tokens", 1}});
  CHECK(s.taken ==
        Counts{{"workers of the one division that recipes have", 1},
               {"workers of the one division, as the slower of two rows of which one drafts", 3}});
}

TEST_CASE("lists without sizes have those of another sweep with as many workers, or none") {
  const tests::TemporaryFolder folder;
  const auto recipes = recipes_of(
      folder,
      // Numbers of workers alone, then with sizes for fewer clients: GPUs are the groups of
      // experts.
      recipe("0.5.8", "2025-12-05", "16,128", "1,1,1,on,4,1,1,on", "", "config only") +
          recipe("0.5.8", "2026-01-19", "16,32", "1,1,4,on,4,1,8,on", "", "config only") +
          recipe("0.5.8", "2025-12-05", "256,512", "6,1,1,on,1,1,1,on", "", "config only"));
  CHECK_FALSE(recipes[0].sized);
  const auto at = [](const char* name, std::int64_t clients) {
    return row(name, clients, 10, 1, 1, 1);  // labels say nothing
  };
  const Settled s = settled({at("sized", 16), at("as many", 128), at("none", 256)}, recipes);
  CHECK(s.workers == Counts{{"sized", 4}, {"as many", 4}});
  CHECK(s.skipped.at("apart: no recipe with sizes of its workers fits") == 1);

  // Without a version: recipes of before versions are named, whose GPUs are the label's in all:
  // 4 + 4 x 8 = 36. Such rows were measured cold.
  E2eRows rows;
  rows.unsaid = {row("old", 16, 10, 36, 1, 36), row("odd", 16, 11, 20, 1, 20)};
  for (UnsaidRow& u : rows.unsaid) u.row.version = "";
  settle_pools(rows, recipes);
  REQUIRE(rows.rows.size() == 1);
  CHECK(rows.rows[0].name == "old");
  CHECK(rows.rows[0].gpus() == 36);
  CHECK(rows.rows[0].cold);
}

TEST_CASE("rows with workers of their own take their recipe's options") {
  const tests::TemporaryFolder folder;
  const auto recipes = recipes_of(
      folder, recipe("0.5.8", "2026-02-07", "16,16", "1,8,8,on,4,8,8,off", "", "recipe",
                     "P off; D off,on") +
                  recipe("0.5.8", "2026-02-07", "512,512", "1,8,8,on,4,8,8,off", "EAGLE steps 2") +
                  recipe("0.5.8", "2026-02-07", "16,128", "1,8,8,on,5,8,8,off"));
  const auto at = [](const char* name, std::int64_t clients) {
    E2eRow r = row(name, clients, 10).row;
    r.layout = {.tp = 8, .ep = 8};
    r.workers = 4;
    r.prefill = E2ePool{.layout = {.dp = 8, .ep = 8}};
    return r;
  };
  E2eRows rows;
  // 64 clients are 16 of each of four engines, as some recipes count them; 65 are not.
  rows.rows = {at("own", 16), at("each", 64), at("none", 65), at("drafts", 512)};
  settle_pools(rows, recipes);
  REQUIRE(rows.rows.size() == 3);
  CHECK(rows.rows[0].prefill->layout.dp == 8);  // its own, whatever the recipe starts
  REQUIRE(rows.rows[0].apart.has_value());
  CHECK(rows.rows[0].apart->sets == 1);
  CHECK(rows.rows[0].apart->reads.tokens == 8192);
  CHECK(rows.rows[1].apart.has_value());
  CHECK_FALSE(rows.rows[2].apart.has_value());
  CHECK(rows.rows[2].prefill->layout.dp == 8);
  Counts taken;
  for (const SkippedRows& one : rows.taken) taken[one.reason] = one.n;
  CHECK(taken ==
        Counts{{"workers and layouts of the row, options of its recipe", 2},
               {"workers and layouts of the row, options of the engine's own: no recipe fits", 1}});
  REQUIRE(rows.skipped.size() == 1);
  CHECK(rows.skipped[0].reason == "recipes draft tokens: how many are taken is in no column");

  // Each pool is played with its own, and 48 ranks have 288 experts.
  E2eRow wide = rows.rows[0];
  wide.layout = {.dp = 48, .ep = 48};
  const std::string scenario =
      scenario_of(wide,
                  {.model_file = [](const std::string&) { return std::string("m.yaml"); },
                   .configs = "configs"},
                  wide.apart->generates);
  const auto has = [&](const char* part) {
    CAPTURE(scenario);
    CHECK(scenario.find(part) != std::string::npos);
  };
  has("placement: {redundant: 32}\n");
  has("  scheduler: {}\n");
  has("prefill: {replicas: 1, parallelism: {tp: 1, dp: 8, ep: 8, etp: 1}, scheduler: {tokens: "
      "8192, sequences: 16, chunk: 4096}, kv: {memory: 0.6}}");
  has("decode: {replicas: 4, parallelism: {tp: 1, dp: 48, ep: 48, etp: 1}, scheduler: {sequences: "
      "512}, kv: {memory: 0.8}, graphs: {sizes: [1, 2, 4, 8, 12], pad: true}}");
  // Decodes that recipes dispatch by DeepEP, by that, and buffers for as many as there are.
  CHECK(exchange_of("deep_gemm a2a=deepep deepep-mode=low_latency") == "deepep");
  CHECK(exchange_of("flashinfer_cutedsl a2a=flashinfer").empty());
  CHECK(scenario.find("kernels:") == std::string::npos);
  // Each pool has kernels of its own.
  wide.apart->generates.all_to_all = "deepep";
  wide.apart->reads.moe = "trtllm";
  const std::string other =
      scenario_of(wide,
                  {.model_file = [](const std::string&) { return std::string("m.yaml"); },
                   .configs = "configs"},
                  wide.apart->generates);
  CHECK(other.find("prefill: {replicas: 1, parallelism: {tp: 1, dp: 8, ep: 8, etp: 1}, kernels: "
                   "{moe: trtllm}, ") != std::string::npos);
  CHECK(other.find("decode: {replicas: 4, parallelism: {tp: 1, dp: 48, ep: 48, etp: 1}, kernels: "
                   "{all_to_all: deepep}, ") != std::string::npos);
  CHECK(other.find(", dispatch_tokens: 1024}\n") != std::string::npos);
  wide.layout = {.dp = 8, .ep = 8};
  CHECK(scenario_of(wide,
                    {.model_file = [](const std::string&) { return std::string("m.yaml"); },
                     .configs = "configs"},
                    wide.apart->generates)
            .find("placement") == std::string::npos);
}
