// A recording against what is said of it, and against what a router can do.
#include "workloads/routing/importers/said_shape.h"

#include <doctest/doctest.h>

#include <fstream>

#include "sim/error.h"
#include "tests/support/thrown.h"
#include "tests/workloads/routing/trace_files.h"
#include "workloads/routing/importers/safetensors.h"

using namespace moesim::workloads;
using moesim::sim::InputError;
using moesim::tests::Folder;
using moesim::tests::thrown;

namespace {

// What an importer says of a file of this text and name, without the folder.
std::string said(ImportFunction import, const std::string& name, const std::string& text,
                 const ImportOptions& options) {
  const Folder folder;
  std::ofstream(folder / name, std::ios::binary) << text;
  std::string message =
      thrown<InputError>([&] { import({folder / name}, folder / "out.h5", options); });
  CHECK_FALSE(std::filesystem::exists(folder / "out.h5"));
  const std::string prefix = (folder / "").string();
  if (message.starts_with(prefix)) message.erase(0, prefix.size());
  return message;
}

// Two layers of three experts, six selections each.
const std::string kTable = "layer,expert,count\n0,0,3\n0,1,2\n0,2,1\n1,0,2\n1,1,2\n1,2,2\n";
const std::string kList = R"({"logical_count": [[3, 2, 1], [2, 2, 2]]})";

}  // namespace

TEST_CASE("what the options say of a recording and it says otherwise is refused by every reader") {
  CHECK(said(import_counts, "c.csv", kTable, {.layers = 9, .top_k = 2}) ==
        "c.csv: has 2 layers, but --layers says 9");
  CHECK(said(import_counts, "c.json", kList, {.layers = 9, .top_k = 2}) ==
        "c.json: has 2 layers, but --layers says 9");
  CHECK(said(import_counts, "c.json", kList, {.experts = 4, .top_k = 2}) ==
        "c.json: has 3 experts, but --experts says 4");
  const std::string matrix = "0,1\n1,0\n";
  CHECK(said(import_matrices, "m.csv", matrix, {.experts = 9}) ==
        "m.csv: has 2 experts, but --experts says 9");
  CHECK(said(import_matrices, "m.csv", matrix, {.layers = 7}) ==
        "m.csv: has 1 layers, but --layers says 7");
  CHECK(said(import_matrices, "m.csv", matrix, {.top_k = 3}) ==
        "m.csv: has 1 choices a token, but --top-k says 3");
  const SafeTensorValues values[] = {{"0_0", {3}, {3, 2, 1}}};
  CHECK(said(import_tensorrt_llm, "t", safetensors_text(values), {.layers = 9, .top_k = 2}) ==
        "t: has 1 layers, but --layers says 9");
}

TEST_CASE("layers with numbers are as many as are listed, or as the last one's number tells") {
  // Layers 3 and 4 of a model of five.
  const std::int64_t layers[] = {3, 4};
  CHECK_NOTHROW(check_named_layers("c.csv", layers, {.layers = 2}));
  CHECK_NOTHROW(check_named_layers("c.csv", layers, {.layers = 5}));
  CHECK(thrown<InputError>([&] { check_named_layers("c.csv", layers, {.layers = 4}); }) ==
        "c.csv: has 2 layers, but --layers says 4");
}

TEST_CASE("a layer of counts has no more selections than its step's tokens can make") {
  // Layer 0 has 6 selections, of 3 tokens that choose two each; layer 1 cannot have 7.
  const auto with = [](const char* count) {
    std::string table = kTable;
    table.replace(table.find("1,0,2"), 5, std::string("1,0,") + count);
    return table;
  };
  CHECK(said(import_counts, "c.csv", with("3"), {.top_k = 2}) ==
        "c.csv: step 0: layer 1 has 7 selections, but layer 0 has 6, of 3 tokens: a layer has no "
        "more than 2 of each (--top-k)");
  const Folder folder;
  std::ofstream(folder / "c.csv") << with("1");
  const ImportSummary summary = import_counts({folder / "c.csv"}, folder / "t.h5", {.top_k = 2});
  CHECK(summary.tokens == 3);
  CHECK(summary.uneven == 1);  // layer 1 has 5: its router has dropped one
}

TEST_CASE("the first layer of counts, too, may lack some selections") {
  // 200 and 210 of top-2: 5 % more, as where the first layer's router has dropped ten.
  ImportSummary summary;
  const std::uint32_t counts[] = {100, 100, 105, 105};
  add_tokens(counts, {.layers = 2, .experts = 2, .top_k = 2}, "step 0", summary);
  CHECK(summary.uneven == 1);
  const std::uint32_t more[] = {100, 100, 105, 106};
  CHECK_THROWS_AS(add_tokens(more, {.layers = 2, .experts = 2, .top_k = 2}, "step 0", summary),
                  InputError);
}

TEST_CASE("counts that are all zero are no recording") {
  CHECK(said(import_counts, "c.csv", "layer,expert,count\n0,0,0\n0,1,0\n", {.top_k = 1}) ==
        "c.csv: no tokens with routing in it");
  CHECK(said(import_matrices, "m.csv", "0,0\n0,0\n", {}) == "m.csv: no tokens with routing in it");
}

TEST_CASE("of negative ids -1 alone is a choice that was not recorded") {
  const std::string text = R"({"choices": [{"routed_experts": [[[0, -1], [1, -2]]]}]})";
  CHECK(said(import_vllm, "v.json", text, {.experts = 8}) ==
        "v.json: record 1: choice 0: routed_experts: token 0: layer 1: expert -2: what was not "
        "recorded is -1");
  // An array [1, 1, 2] of one signed byte each: 0 and -2.
  const std::string header = "{'descr': '|i1', 'fortran_order': False, 'shape': (1, 1, 2), }\n";
  const std::string array = std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) +
                            '\0' + header + std::string("\x00\xfe", 2);
  CHECK(said(import_npy, "a.npy", array, {.experts = 8}) ==
        "a.npy: token 0: layer 0: expert -2: what was not recorded is -1");
}
