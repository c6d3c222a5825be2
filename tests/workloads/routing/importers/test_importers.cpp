#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "sim/error.h"
#include "tests/workloads/routing/trace_files.h"
#include "workloads/routing/importers/base64.h"
#include "workloads/routing/importers/exporters.h"
#include "workloads/routing/importers/importers.h"
#include "workloads/routing/importers/safetensors.h"
#include "workloads/routing/trace/trace.h"

using namespace moesim::workloads;
using moesim::sim::ConfigError;
using moesim::sim::InputError;
using moesim::tests::Folder;
using Ids = std::vector<ExpertId>;
using Import = ImportSummary (*)(const Files&, const std::filesystem::path&, const ImportOptions&);

namespace {

std::filesystem::path file(const Folder& folder, const std::string& name, const std::string& text) {
  std::ofstream(folder / name, std::ios::binary) << text;
  return folder / name;
}

std::string contents(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

Ids ids_of(const std::filesystem::path& path) {
  const auto trace = RoutingTrace::open(path);
  Ids ids;
  trace.read_ids(0, trace.info().tokens, ids);
  return ids;
}

// The message without the folder; nothing may be left where the output should have been.
std::string failure(Import import, const std::string& text,
                    const ImportOptions& options = {.experts = 8}) {
  const Folder folder;
  const auto input = file(folder, "in", text);
  const std::string prefix = (folder / "").string();
  std::string message = "(nothing)";
  try {
    import({input}, folder / "out.h5", options);
  } catch (const moesim::sim::Error& error) {
    message = error.what();
    if (message.starts_with(prefix)) message = message.substr(prefix.size());
  }
  CHECK_FALSE(std::filesystem::exists(folder / "out.h5"));
  return message;
}

std::string npy(const std::string& header, const std::string& data) {
  const std::string text = header + "\n";
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(text.size()) + '\0' + text + data;
}

}  // namespace

TEST_CASE("a vLLM response: the prompt first, then each choice as a request of its own") {
  const Folder folder;
  // 2 layers, top-2. The prompt comes after the choices, as in real responses; -1 is a cached
  // prefix.
  const auto input = file(folder, "r.json", R"({"id": "x", "choices": [
      {"index": 0, "text": "a [b]", "routed_experts": [[[4, 5], [6, 7]]]},
      {"index": 1, "routed_experts": [[[0, 2], [1, 3]]]}],
      "usage": {"total": [1, 2]}, "prompt_routed_experts": [[[-1, -1], [-1, -1]], [[0, 1], [2, 3]]]}
      {"other": 1}
      {"prompt_routed_experts": null, "choices": [{"routed_experts": [[[1, 2], [3, 4]]]}]})");
  const auto summary = import_vllm({input}, folder / "t.h5", {.experts = 8, .model = "m"});
  CHECK(summary.records == 2);
  CHECK(summary.skipped == 1);
  CHECK(summary.tokens == 5);
  constexpr ExpertId no = kMissingExpert;
  CHECK(ids_of(folder / "t.h5") ==
        Ids{no, no, no, no, 0, 1, 2, 3, 4, 5, 6, 7, 0, 2, 1, 3, 1, 2, 3, 4});
  const auto trace = RoutingTrace::open(folder / "t.h5");
  std::vector<std::uint32_t> column;
  trace.read_column(TokenColumn::Request, 0, 5, column);
  CHECK(column == std::vector<std::uint32_t>{0, 0, 0, 1, 2});
  trace.read_column(TokenColumn::Position, 0, 5, column);
  CHECK(column == std::vector<std::uint32_t>{0, 1, 2, 2, 0});
  trace.read_column(TokenColumn::Phase, 0, 5, column);
  CHECK(column == std::vector<std::uint32_t>{0, 0, 1, 1, 1});
  CHECK(trace.info().source == "vllm");
  CHECK(trace.info().model == "m");
}

TEST_CASE("responses in a list are records, too") {
  const Folder folder;
  const auto input =
      file(folder, "r.json",
           R"([{"prompt_routed_experts": [[[1]]]}, {"prompt_routed_experts": [[[2]]]}])");
  CHECK(import_vllm({input}, folder / "t.h5", {.experts = 8}).records == 2);
  CHECK(ids_of(folder / "t.h5") == Ids{1, 2});
}

TEST_CASE("a damaged vLLM response is refused with the record at fault") {
  CHECK(failure(import_vllm,
                R"({"prompt_routed_experts": [[[1, 2]]]} {"prompt_routed_experts": [[[1, 9]]]})") ==
        "in: record 2: prompt_routed_experts: token 0: layer 0: expert 9, but there are 8");
  CHECK(failure(import_vllm, R"({"prompt_routed_experts": [[[1, 2]], [[1]]]})") ==
        "in: record 1: prompt_routed_experts: token 1: layer 0 has 1 choices, those before 2");
  CHECK(failure(import_vllm, R"({"prompt_routed_experts": [[[1], [2]], [[1]]]})") ==
        "in: record 1: prompt_routed_experts: token 1 has 1 layers, those before 2");
  CHECK(
      failure(import_vllm, R"({"prompt_routed_experts": [[1]]})") ==
      "in: record 1: prompt_routed_experts: a number where a list [tokens][layers][top_k] belongs");
  CHECK(failure(import_vllm, R"({"prompt_routed_experts": [[[[1]]]]})") ==
        "in: record 1: prompt_routed_experts: lists nested deeper than [tokens][layers][top_k]");
  CHECK(failure(import_vllm, R"({"routed_experts": "AAAA"})") ==
        "in: record 1: routed_experts: text that is not the base64 of a NumPy array (SGLang's form "
        "is --from sglang)");
  CHECK(failure(import_vllm, R"({"routed_experts": [[["a"]]]})") ==
        "in: record 1: routed_experts: text where expert numbers belong");
  CHECK(failure(import_vllm, R"({"routed_experts": [[[1.5]]]})") ==
        "in: record 1: routed_experts: something that is no expert");
  CHECK(failure(import_vllm, R"({"routed_experts": [[[99999999999]]]})") ==
        "in: record 1: routed_experts: 99999999999 is no expert");
  CHECK(failure(import_vllm, R"({"routed_experts": [[{"a": 1}]]})") ==
        "in: record 1: routed_experts: an object where expert numbers belong");
  CHECK(failure(import_vllm, "17") == "in: record 1: expected an object, not a number");
  CHECK(failure(import_vllm, "") == "in: no tokens with routing in it");
  CHECK(failure(import_vllm, R"({"a": 1})") == "in: no tokens with routing in it");
  CHECK(failure(import_vllm, R"({"prompt_routed_experts": [[[1, 2)")
            .starts_with("in: record 1: parse error at line 1"));
  CHECK(failure(import_vllm, "{\"a\": " + std::string(200, '[')) ==
        "in: record 1: nested deeper than 100");
  CHECK(failure(import_vllm,
                R"({"prompt_routed_experts": [[[1]]]} {"prompt_routed_experts": [[[1, 2]]]})") ==
        "in: record 2: prompt_routed_experts: token 0: 1 layers of 2 choices, but those before "
        "have 1 of 1");
  CHECK(failure(import_vllm, "{}", {}) ==
        "the recording does not say how many experts there are: give --experts");
  CHECK(failure(import_vllm, R"({"routed_experts": [[[1]]]})", {.experts = 8, .keep = {1}}) ==
        "--keep-layers: layer 1 of 1 layers (they count from 0)");
  CHECK(failure(import_vllm, R"({"routed_experts": [[[1]]]})", {.experts = 8, .layers = 2}) ==
        "in: record 1: choice 0: routed_experts: token 0: has 1 layers, but --layers says 2");
  CHECK_THROWS_WITH_AS(import_vllm({"no-such-file"}, "x.h5", {.experts = 8}),
                       "no-such-file: cannot be read: No such file or directory", InputError);
}

TEST_CASE("SGLang's base64 is int32, and dense layers can be left out") {
  const Folder folder;
  // 1 token, 2 layers, top-2: (-1 -1) (3 5). Little-endian int32.
  const std::vector<std::uint8_t> bytes{255, 255, 255, 255, 255, 255, 255, 255,
                                        3,   0,   0,   0,   5,   0,   0,   0};
  const std::string text = encode_base64(bytes);
  const auto input = file(folder, "s.json",
                          "{\"choices\": [{\"sgl_ext\": {\"routed_experts\": \"" + text + "\"}}]}");
  const ImportOptions options{.experts = 8, .layers = 2, .top_k = 2, .keep = {1}};
  CHECK(import_sglang({input}, folder / "t.h5", options).tokens == 1);
  CHECK(ids_of(folder / "t.h5") == Ids{3, 5});
  CHECK(RoutingTrace::open(folder / "t.h5").info().layer_ids == std::vector<std::int64_t>{1});

  CHECK(failure(import_sglang, R"({"routed_experts": "AAAA"})", options) ==
        "in: record 1: routed_experts: 3 bytes are no whole number of tokens of 2 layers x 2 "
        "choices x 4 bytes");
  CHECK(failure(import_sglang, R"({"routed_experts": "A!=="})", options) ==
        "in: record 1: routed_experts: is not base64");
  CHECK(failure(import_sglang, R"({"routed_experts": [[[1]]]})", options) ==
        "in: record 1: routed_experts: expected base64 text (lists are vLLM's form: --from vllm)");
  CHECK(failure(import_sglang, "{}") ==
        "SGLang's base64 does not say its shape: give --layers and --top-k");

  // Four choices of a prompt of 1 and an answer of 2, whose last is not routed, are 2 a token. Of
  // 3 tokens they are a part.
  const auto response = [&](int prompt, int answer) {
    return "{\"meta_info\": {\"prompt_tokens\": " + std::to_string(prompt) +
           ", \"routed_experts\": \"" + text +
           "\", \"completion_tokens\": " + std::to_string(answer) + "}}";
  };
  CHECK(failure(import_sglang, response(1, 2), options) ==
        "in: record 1: routed_experts: 1 tokens of --layers 2 and --top-k 2, but prompt_tokens 1 "
        "and completion_tokens 2 make 2, of 2 choices each");
  for (const int answer : {1, 3}) {
    const auto whole = file(folder, "w.json", response(1, answer));
    CHECK(import_sglang({whole}, folder / "w.h5", options).tokens == 1);
  }
}

TEST_CASE("base64 is that of RFC 4648") {
  // Its section 10.
  const auto encoded = [](const std::string& text) {
    return encode_base64(std::vector<std::uint8_t>(text.begin(), text.end()));
  };
  CHECK(encoded("") == "");
  CHECK(encoded("f") == "Zg==");
  CHECK(encoded("fo") == "Zm8=");
  CHECK(encoded("foobar") == "Zm9vYmFy");
  const auto decoded = [](std::string text) { return decode_base64(text) ? text : "refused"; };
  CHECK(decoded("Zm9vYg==") == "foob");
  CHECK(decoded("Zm8=") == "fo");
  CHECK(decoded("//79") == "\xff\xfe\xfd");
  CHECK(decoded("Zm9") == "refused");
  CHECK(decoded("Zm=v") == "refused");
}

TEST_CASE("NumPy arrays of any integer type") {
  const Folder folder;
  const std::string header = "{'descr': '%', 'fortran_order': False, 'shape': (2, 1, 2), }";
  for (const auto& [type, data] : {std::pair<std::string, std::string>{"|u1", {"\1\2\3\4", 4}},
                                   {"<i2", {"\1\0\2\0\3\0\4\0", 8}},
                                   {">i2", {"\0\1\0\2\0\3\0\4", 8}},
                                   {"<u4", {"\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0", 16}}}) {
    std::string text = header;
    text.replace(text.find('%'), 1, type);
    import_npy({file(folder, "a.npy", npy(text, data))}, folder / "t.h5", {.experts = 8});
    CHECK(ids_of(folder / "t.h5") == Ids{1, 2, 3, 4});
  }
  const std::string good = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 1, 2), }";
  CHECK(failure(import_npy, npy(good, std::string("\1\0\2\0\3\0", 6))) ==
        "in: ends in token 1 of 2");
  CHECK(failure(import_npy, npy(good, std::string("\1\0\2\0\3\0\4\0\5", 9))) ==
        "in: goes on after its last token");
  CHECK(failure(import_npy, npy(good, std::string("\1\0\2\0\3\0\11\0", 8))) ==
        "in: token 1: layer 0: expert 9, but there are 8");
  CHECK(failure(import_npy, "PK") == "in: is no NumPy array");
  CHECK(failure(import_npy, npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 2), }",
                                "")) == "in: holds \"<f4\", not integers");
  CHECK(failure(import_npy,
                npy("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 1, 2), }", "")) ==
        "in: is stored column by column; store it with np.ascontiguousarray");
  CHECK(failure(import_npy, npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 2), }",
                                "")) == "in: expected the shape (tokens, layers, top_k)");
  CHECK(failure(import_npy, npy("{'descr': '<i2'}", "")) ==
        "in: has a damaged header: 'fortran_order' is missing");
  CHECK(failure(import_npy, npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 1, 2",
                                "")) == "in: has a damaged header");
  CHECK(failure(import_npy, npy("{'descr': '<i2', 'fortran_order': False, 'shape': 2, 1, 2), }",
                                "")) == "in: has a damaged header");
  CHECK(failure(import_npy, npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 0, 2), }",
                                "")) == "in: 0 layers of 2 choices: not a routing");
}

TEST_CASE("Megatron's lines are joined layer by layer, micro-batch by micro-batch") {
  const Folder folder;
  const auto line = [](int step, int layer, const std::string& indices) {
    return "{\"step\": " + std::to_string(step) +
           ", \"block\": \"decoder\", \"layer\": " + std::to_string(layer) +
           ", \"rank\": 3, \"top_indices\": " + indices + "}\n";
  };
  // Two micro-batches in step 0 (their layers interleaved), one in step 1; a prediction row.
  const auto input =
      file(folder, "m.jsonl",
           line(0, 3, "[[0, 1], [2, 3]]") + line(0, 4, "[[4, 5], [6, 7]]") +
               "{\"step\": 0, \"layer\": 9, \"mtp_idx\": 0, \"top_indices\": [[1, 1]]}\n" +
               line(0, 3, "[[1, 0]]") + line(0, 4, "[[5, 4]]") + line(1, 4, "[[7, 6]]") +
               line(1, 3, "[[3, 2]]"));
  const auto summary = import_megatron({input}, folder / "t.h5", {.experts = 8});
  CHECK(summary.tokens == 4);
  CHECK(summary.skipped == 1);
  CHECK(ids_of(folder / "t.h5") == Ids{0, 1, 4, 5, 2, 3, 6, 7, 1, 0, 5, 4, 3, 2, 7, 6});
  const auto trace = RoutingTrace::open(folder / "t.h5");
  CHECK(trace.info().layer_ids == std::vector<std::int64_t>{3, 4});
  CHECK(trace.step_offsets() == std::vector<std::uint64_t>{0, 2, 3, 4});
  CHECK(trace.step_ranks() == std::vector<std::uint32_t>{3, 3, 3});

  CHECK(failure(import_megatron, line(0, 3, "[[0]]") + line(0, 4, "[[0]]") + line(1, 3, "[[0]]")) ==
        "in: step 1: layer 4 is missing");
  CHECK(failure(import_megatron, line(0, 3, "[[0]]") + line(0, 4, "[[0]]") + line(0, 4, "[[0]]")) ==
        "in: step 0: layer 4 comes 2 times, layer 3 1 times");
  CHECK(failure(import_megatron, line(0, 3, "[[0]]") + line(0, 4, "[[0], [1]]")) ==
        "in: step 0: layer 4 has 2 tokens of 1 choices, layer 3 1 of 1");
  CHECK(failure(import_megatron, line(1, 3, "[[0]]") + line(0, 3, "[[0]]")) ==
        "in: record 2: step 0 comes after step 1");
  CHECK(failure(import_megatron, line(0, 3, "[[0], [1, 2]]")) ==
        "in: record 1: top_indices: token 1 has 2 choices, those before 1");
  CHECK(failure(import_megatron,
                "{\"step\": 0, \"layer\": 1, \"num_tokens\": 5, \"top_indices\": [[1]]}") ==
        "in: record 1: top_indices is 1 x 1, but num_tokens is 5 and topk 1");
  CHECK(failure(import_megatron, "{\"layer\": 1, \"top_indices\": [[1]]}") ==
        "in: record 1: step or layer is missing");
  CHECK(failure(import_megatron, "{\"step\": \"a\", \"layer\": 1, \"top_indices\": [[1]]}") ==
        "in: record 1: expected a whole number");
  CHECK(failure(import_megatron, line(0, 3, "[[8]]")) ==
        "in: step 0: token 0: layer 0: expert 8, but there are 8");
}

TEST_CASE("TensorRT-LLM's counts are summed over the ranks") {
  const Folder folder;
  file(folder, "meta_info.json", R"({"num_experts": 3, "num_experts_per_token": 2})");
  const SafeTensorValues first[] = {
      {"7_1", {3}, {1, 2, 3}}, {"7_0", {3}, {2, 2, 2}}, {"other", {1}, {5}}};
  const SafeTensorValues second[] = {{"7_1", {3}, {10, 0, 0}}, {"7_0", {3}, {5, 5, 0}}};
  const auto a = file(folder, "rank0.safetensors", safetensors_text(first));
  const auto b = file(folder, "rank1.safetensors", safetensors_text(second));
  const auto summary = import_tensorrt_llm({a, b}, folder / "t.h5", {});
  CHECK(summary.records == 4);
  CHECK(summary.skipped == 1);
  const auto trace = RoutingTrace::open(folder / "t.h5");
  std::vector<std::uint32_t> counts;
  trace.read_counts(0, counts);
  CHECK(counts == std::vector<std::uint32_t>{7, 7, 2, 11, 2, 3});
  CHECK(trace.info().top_k == 2);

  const ImportOptions two{.experts = 3, .top_k = 2};
  CHECK(failure(import_tensorrt_llm, "short", two) ==
        "in: is no safetensors file, or a damaged one");
  CHECK(failure(import_tensorrt_llm, std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8) + "{}",
                two) == "in: is no safetensors file, or a damaged one");
  const SafeTensorValues negative[] = {{"0_0", {3}, {1, -2, 3}}};
  CHECK(failure(import_tensorrt_llm, safetensors_text(negative), two) ==
        "in: 0_0: expert 1: -2 is no count");
  const SafeTensorValues wide[] = {{"0_0", {4}, {1, 2, 3, 4}}};
  CHECK(failure(import_tensorrt_llm, safetensors_text(wide), two) ==
        "in: 0_0: counts 4 experts, but there are 3");
  const SafeTensorValues holes[] = {{"0_0", {3}, {1, 2, 3}}, {"1_1", {3}, {1, 2, 3}}};
  CHECK(failure(import_tensorrt_llm, safetensors_text(holes), two) ==
        "iteration 0 has no counts of layer 1");
  std::string cut = safetensors_text(wide);
  CHECK(failure(import_tensorrt_llm, cut.substr(0, cut.size() - 4), two) ==
        "in: 0_0: names bytes that are not in the file");
}

TEST_CASE("counts and matrices come from CSV") {
  const Folder folder;
  const auto counts = file(
      folder, "c.csv",
      "layer,expert,count,step,domain\n3,0,5,0,code\n3,2,1,0,code\n4,1,6,0,code\n3,1,4,1,chat\n");
  // Step 0 has 6 choices in both layers; step 1 has 4 in layer 3 and nothing of layer 4.
  CHECK(import_counts({counts}, folder / "t.h5", {.top_k = 2}).uneven == 1);
  auto trace = RoutingTrace::open(folder / "t.h5");
  CHECK(trace.info().experts == 3);
  CHECK(trace.info().layer_ids == std::vector<std::int64_t>{3, 4});
  CHECK(trace.info().domains == std::vector<std::string>{"code", "chat"});
  std::vector<std::uint32_t> row;
  trace.read_counts(0, row);
  CHECK(row == std::vector<std::uint32_t>{5, 0, 1, 0, 6, 0});
  CHECK(failure(import_counts, "layer,expert,count\n0,8,1\n", {.experts = 8, .top_k = 1}) ==
        "in:2: expert: expected 0 to 7, not 8");
  CHECK(failure(import_counts, "layer,expert,count\n0,1,-1\n", {.experts = 8, .top_k = 1}) ==
        "in:2: count: expected 0 to 4294967295, not -1");
  CHECK(failure(import_counts, "layer,expert,count\n") ==
        "counts do not say how many experts a token chooses: give --top-k");

  // Rows send, columns receive: rank 0 receives 1 + 3, rank 1 2 + 4; the second matrix is a layer.
  const auto matrix = file(folder, "m.csv", "# layer 0\n1,2\n3, 4\n\n0,7\n0,1\n");
  import_matrices({matrix}, folder / "m.h5", {});
  trace = RoutingTrace::open(folder / "m.h5");
  trace.read_counts(0, row);
  CHECK(row == std::vector<std::uint32_t>{4, 6, 0, 8});
  CHECK(failure(import_matrices, "1,2\n3\n") == "in:2: 1 values, but a matrix of 2 ranks");
  CHECK(failure(import_matrices, "1,2\n3,x\n") == "in:2: value 2: expected a count");
  CHECK(failure(import_matrices, "1,2\n3,4\n5,6\n") ==
        "in: 3 rows are no whole number of matrices of 2 ranks");
}

TEST_CASE(
    "importing what was exported gives the same choices, and exporting again the same bytes") {
  const Folder folder;
  TraceWriter writer(folder / "a.h5",
                     {.layers = 2, .experts = 300, .top_k = 2, .layer_ids = {3, 5}});
  const Ids ids{0, 299, 5, 4, 7, kMissingExpert, 1, 2, 9, 8, 256, 255};
  const std::vector<std::uint32_t> requests{0, 0, 1}, positions{0, 1, 0}, phases{0, 1, 0};
  writer.append({.ids = ids, .requests = requests, .positions = positions, .phases = phases});
  writer.close();
  const ImportOptions options{.experts = 300, .layers = 2, .top_k = 2};
  using Export = void (*)(const RoutingTrace&, const std::filesystem::path&);
  for (const auto& [form, export_to, import] :
       {std::tuple<std::string, Export, Import>{"vllm", export_vllm, import_vllm},
        {"npy", export_npy, import_npy},
        {"sglang", export_sglang, import_sglang},
        {"megatron", export_megatron, import_megatron}}) {
    const std::string name = form;
    CAPTURE(name);
    export_to(RoutingTrace::open(folder / "a.h5"), folder / "x");
    import({folder / "x"}, folder / "b.h5", options);
    CHECK(ids_of(folder / "b.h5") == ids);
    export_to(RoutingTrace::open(folder / "b.h5"), folder / "y");
    CHECK(contents(folder / "x") == contents(folder / "y"));
  }
  CHECK_THROWS_AS(export_tensorrt_llm(RoutingTrace::open(folder / "a.h5"), folder / "z"),
                  ConfigError);
  export_counts(RoutingTrace::open(folder / "a.h5"), folder / "c.csv");
  import_counts({folder / "c.csv"}, folder / "c.h5", options);
  export_tensorrt_llm(RoutingTrace::open(folder / "c.h5"), folder / "t.safetensors");
  import_tensorrt_llm({folder / "t.safetensors"}, folder / "d.h5", options);
  std::vector<std::uint32_t> c, d;
  RoutingTrace::open(folder / "c.h5").read_counts(0, c);
  RoutingTrace::open(folder / "d.h5").read_counts(0, d);
  CHECK(c == d);
  CHECK(c[299] == 1);
}

TEST_CASE("vLLM's base64 of a NumPy array is read, prompt first") {
  // 3 tokens of the prompt and 5 of the choice, 4 layers, 2 of 8 experts in a byte each: the first
  // token's first layer chose 5 and 1.
  const Folder folder;
  const ImportSummary summary =
      import_vllm({"tests/workloads/routing/importers/recordings/t1-vllm-base64-npy.json"},
                  folder / "out.h5", {.experts = 8});
  CHECK(summary.tokens == 8);
  const auto trace = RoutingTrace::open(folder / "out.h5");
  CHECK(trace.info().layers == 4);
  CHECK(trace.info().top_k == 2);
  const Ids ids = ids_of(folder / "out.h5");
  CHECK(ids[0] == 5);
  CHECK(ids[1] == 1);
  CHECK(
      failure(import_vllm, R"({"prompt_routed_experts": "AAAA"})") ==
      "in: record 1: prompt_routed_experts: text that is not the base64 of a NumPy array (SGLang's "
      "form is --from sglang)");
}

TEST_CASE("SGLang's recorder is read as counts, as CSV and as JSON") {
  // 24 + 40 = 64 choices of 2: 32 tokens.
  for (const char* name : {"t2-sglang-legacy.csv", "t3-sglang-logical-count.json"}) {
    CAPTURE(name);
    const Folder folder;
    const ImportSummary summary = import_counts(
        {std::filesystem::path("tests/workloads/routing/importers/recordings") / name},
        folder / "out.h5", {.top_k = 2});
    CHECK(summary.tokens == 32);
    const auto trace = RoutingTrace::open(folder / "out.h5");
    CHECK(trace.info().layers == 2);
    CHECK(trace.info().experts == 4);
  }
  CHECK(failure(import_counts, R"({"logical_count": [[1, 2], [3]]})", {.top_k = 1}) ==
        "in: logical_count: layer 1 has 1 experts, those before 2");
  CHECK(failure(import_counts, R"({"logical_count": [[1, -2]]})", {.top_k = 1}) ==
        "in: logical_count: layer 0, expert 1: expected a count");
  CHECK(failure(import_counts, "[1]", {.top_k = 1}) ==
        "in: no list \"logical_count\" of layers and experts; is this of SGLang's recorder?");
}

TEST_CASE("a token that names an expert twice in a layer is kept, and counted") {
  // Of 4 tokens one repeats an expert, in its second layer; 1 and 65 are alike modulo 64 but two
  // experts, and missing ones are none.
  const Folder folder;
  const auto input = file(folder, "r.json", R"({"prompt_routed_experts": [
      [[1, 2], [3, 4]], [[1, 65], [0, 1]], [[-1, -1], [2, -1]], [[5, 6], [7, 7]]]})");
  const ImportSummary summary = import_vllm({input}, folder / "t.h5", {.experts = 128});
  CHECK(summary.tokens == 4);
  CHECK(summary.repeated == 1);
  CHECK(ids_of(folder / "t.h5")[15] == 7);
}
