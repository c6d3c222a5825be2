#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include "sim/error.h"
#include "workloads/model/counts.h"
#include "workloads/model/hugging_face/hugging_face.h"
#include "workloads/model/hugging_face/module_pattern.h"

using namespace moesim;
using namespace moesim::workloads;
using hardware::Precision;

namespace {

const std::string kMixtral = R"({"architectures": ["MixtralForCausalLM"], "model_type": "mixtral",
  "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "vocab_size": 32000,
  "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8,
  "num_experts_per_tok": 2, "max_position_embeddings": 32768, "sliding_window": null,
  "router_aux_loss_coef": 0.02, "rope_theta": 1e6, "tie_word_embeddings": false,
  "torch_dtype": "bfloat16"})";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string message_of(const std::string& text, const std::string& second = {}) {
  try {
    parse_hugging_face(text, "config.json", second);
  } catch (const sim::Error& error) {
    return error.what();
  }
  return "nothing thrown";
}

// Adds keys before the last brace.
std::string with(const std::string& keys) {
  return kMixtral.substr(0, kMixtral.size() - 1) + ", " + keys + "}";
}

}  // namespace

TEST_CASE("a Mixtral config is the model that ships") {
  const ModelSpec imported = parse_hugging_face(kMixtral, "config.json");
  const ModelSpec ours = load_model("configs/models/mixtral-8x7b.yaml");
  CHECK(count_params(imported).total() == count_params(ours).total());
  CHECK(imported.max_context == ours.max_context);
  CHECK(imported.notes.empty());
  REQUIRE(imported.moe(31) != nullptr);
  CHECK(imported.moe(31)->router.kind == RouterKind::SoftmaxTopK);
}

TEST_CASE("every config of the sample set imports to its model's published size") {
  const std::filesystem::path folder = "../shared/data/hf_configs";
  if (!std::filesystem::is_directory(folder)) {
    std::puts("SKIPPED: no ../shared/data/hf_configs");
    return;
  }
  // Total and active billions as in configs/models, which name the sources; Qwen3-32B: 32.8 B.
  const std::map<std::string, std::pair<double, double>> published{
      {"MiniMaxAI--MiniMax-M2.5", {229, 9.80}},
      {"Qwen--Qwen3-235B-A22B-FP8", {235, 22.19}},
      {"Qwen--Qwen3-235B-A22B", {235, 22.19}},
      {"Qwen--Qwen3-30B-A3B", {30.5, 3.353}},
      {"Qwen--Qwen3-32B", {32.8, 32.8}},
      {"deepseek-ai--DeepSeek-V3", {671, 36.63}},
      {"meta-llama--Llama-4-Maverick-17B-128E-Instruct", {401.6, 17.18}},
      {"meta-llama--Llama-4-Scout-17B-16E-Instruct", {108.64, 17.17}},
      {"meta-llama--Meta-Llama-3.1-70B", {70.6, 70.6}},
      {"meta-llama--Meta-Llama-3.1-8B", {8.03, 8.03}},
      {"mistralai--Mixtral-8x22B-v0.1", {140.6, 39.15}},
      {"mistralai--Mixtral-8x7B-v0.1", {46.7, 12.88}},
      {"moonshotai--Kimi-K2-Instruct", {1026, 31.69}},
      {"openai--gpt-oss-120b", {116.8, 5.13}},
      {"zai-org--GLM-5", {744, 40.83}}};
  std::size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    CAPTURE(entry.path().string());
    const ModelSpec model = load_model(entry.path());
    const auto found = published.find(entry.path().stem().string());
    REQUIRE(found != published.end());
    ++seen;
    const HeadlineParams params = headline_params(model);
    CHECK(static_cast<double>(params.total) / 1e9 ==
          doctest::Approx(found->second.first).epsilon(0.005));
    CHECK(static_cast<double>(params.active) / 1e9 ==
          doctest::Approx(found->second.second).epsilon(0.005));
  }
  CHECK(seen == published.size());
}

TEST_CASE("a key that is missing, of the wrong kind or out of range is named with what would do") {
  CHECK(message_of(replaced(kMixtral, "4096", "-4096")) ==
        "config.json: hidden_size: expected a whole number from 1 to 16777216, not -4096");
  CHECK(message_of(replaced(kMixtral, "4096", "0")) ==
        "config.json: hidden_size: expected a whole number from 1 to 16777216, not 0");
  CHECK(message_of(replaced(kMixtral, "4096", "1000000000000000000")) ==
        "config.json: hidden_size: expected a whole number from 1 to 16777216, not "
        "1000000000000000000");
  CHECK(message_of(replaced(kMixtral, "4096", "99999999999999999999")) ==
        "config.json: hidden_size: expected a whole number from 1 to 16777216, not 1e+20");
  CHECK(message_of(replaced(kMixtral, "4096", "\"4096\"")) ==
        "config.json: hidden_size: expected a whole number from 1 to 16777216, not \"4096\"");
  CHECK(message_of(replaced(kMixtral, "4096", "[4096, 1]")) ==
        "config.json: hidden_size: expected a whole number from 1 to 16777216, not [4096,1]");
  CHECK(message_of(replaced(kMixtral, "4096", "4096.5")) ==
        "config.json: hidden_size: expected a whole number from 1 to 16777216, not 4096.5");
  CHECK(message_of(replaced(kMixtral, "4096", "null")) ==
        "config.json: hidden_size: missing (nor is d_model, n_embd there)");
  CHECK(message_of(replaced(kMixtral, "false", "\"no\"")) ==
        "config.json: tie_word_embeddings: expected true or false, not \"no\"");
  CHECK(message_of(replaced(kMixtral, "\"mixtral\"", "7")) ==
        "config.json: model_type: expected a text, not 7");
  CHECK(message_of(replaced(kMixtral, "\"bfloat16\"", "\"int3\"")) ==
        "config.json: torch_dtype: \"int3\" is not supported; bfloat16, float16 and float32 are");
  CHECK(message_of("[1, 2]") == "config.json: expected an object with the keys of a model");
  CHECK(message_of("{}") ==
        "config.json: model_type: missing; it names the architecture, such as mixtral\n"
        "config.json: hidden_size: missing (nor is d_model, n_embd there)\n"
        "config.json: vocab_size: missing\n"
        "config.json: num_hidden_layers: missing (nor is n_layers, n_layer, num_layers there)");
}

TEST_CASE("a new spelling of a key is refused, not passed over") {
  CHECK(message_of(replaced(kMixtral, "num_local_experts", "expert_count"))
            .find("config.json: num_local_experts: missing; a config of type mixtral has it") == 0);
  CHECK(message_of(replaced(kMixtral, "num_key_value_heads", "kv_heads"))
            .find("config.json: num_key_value_heads: missing; a config of type mixtral has it") ==
        0);
}

TEST_CASE("a type that is not known is read by its keys, and refused where they are strange") {
  const ModelSpec model =
      parse_hugging_face(replaced(kMixtral, "\"mixtral\"", "\"newmoe\""), "config.json");
  CHECK(count_params(model).experts == 45'097'156'608);
  REQUIRE(model.notes.size() == 2);
  CHECK(model.notes[1] == "model_type \"newmoe\" is not known: read by its keys alone");
  CHECK(message_of(replaced(with("\"expert_depth\": 3"), "\"mixtral\"", "\"newmoe\"")) ==
        "config.json: model_type: \"newmoe\" is not known, and these keys of it are not "
        "understood: expert_depth; "
        "describe the model in a .yaml file, or leave out what has no bearing on shapes");
}

TEST_CASE("dense types have as many matrices and embeddings as their classes say") {
  const auto total = [](const std::string& type, const std::string& keys) {
    return static_cast<double>(
               count_params(parse_hugging_face("{\"model_type\": \"" + type + "\", " + keys + "}",
                                               "config.json"))
                   .total()) /
           1e9;
  };
  // As published, in billions: two matrices an FFN, or an embedding that is the head.
  CHECK(total("gpt_neox",
              R"("hidden_size": 6144, "intermediate_size": 24576, "num_attention_heads": 64,
                 "num_hidden_layers": 44, "vocab_size": 50432, "tie_word_embeddings": false)") ==
        doctest::Approx(20.55).epsilon(0.002));
  CHECK(total("starcoder2",
              R"("hidden_size": 6144, "intermediate_size": 24576, "num_attention_heads": 48,
                 "num_key_value_heads": 4, "num_hidden_layers": 40, "vocab_size": 49152)") ==
        doctest::Approx(15.96).epsilon(0.002));
  CHECK(total("gemma2",
              R"("hidden_size": 3584, "intermediate_size": 14336, "num_attention_heads": 16,
                 "num_key_value_heads": 8, "head_dim": 256, "num_hidden_layers": 42,
                 "vocab_size": 256000)") == doctest::Approx(9.24).epsilon(0.002));
  const ModelSpec unknown = parse_hugging_face(
      R"({"model_type": "newdense", "hidden_size": 512, "intermediate_size": 2048,
          "num_attention_heads": 8, "num_hidden_layers": 2, "vocab_size": 1000,
          "hidden_act": "gelu"})",
      "config.json");
  CHECK(unknown.notes.back() ==
        "its FFNs are taken to be gated (three matrices), of which \"gelu\" says nothing");
}

TEST_CASE("a mixture's type without experts is refused, and so is a model beyond all sizes") {
  CHECK(message_of(replaced(kMixtral, "\"num_local_experts\": 8", "\"num_local_experts\": 0")) ==
        "config.json: num_local_experts: expected a whole number from 1 to 16777216, not 0");
  // Nor is another count that the type has and that begins at 1 left out by 0, or by a list of
  // none.
  CHECK(
      message_of(replaced(kMixtral, "\"num_key_value_heads\": 8", "\"num_key_value_heads\": 0")) ==
      "config.json: num_key_value_heads: expected a whole number from 1 to 16777216, not 0");
  CHECK(
      message_of(replaced(kMixtral, "\"num_key_value_heads\": 8", "\"num_key_value_heads\": []")) ==
      "config.json: num_key_value_heads: missing");
  // Of a family that has dense members: none is 0 or absent, and not -1.
  const std::string qwen = replaced(replaced(kMixtral, "\"model_type\": \"mixtral\"",
                                             "\"model_type\": \"qwen3_moe\", \"head_dim\": 128, "
                                             "\"moe_intermediate_size\": 14336"),
                                    "num_local_experts\": 8", "num_experts\": -1");
  CHECK(message_of(qwen) ==
        "config.json: num_experts: expected a whole number from 1 to 16777216, not -1");
  std::string huge = replaced(kMixtral, "\"hidden_size\": 4096", "\"hidden_size\": 16777216");
  huge = replaced(huge, "\"intermediate_size\": 14336", "\"intermediate_size\": 16777216");
  huge = replaced(huge, "\"num_hidden_layers\": 32", "\"num_hidden_layers\": 10000");
  // 10,000 layers of 8 experts of 3 x 2^24 x 2^24: 6.8e19, and attention of 4 x 2^24 x
  // 2^24: 1.1e19.
  CHECK(message_of(huge) ==
        "config.json: config: about 7.9e+19 parameters; models of up to 1e+16 are supported");
}

TEST_CASE("spellings that disagree are a mistake") {
  CHECK(message_of(with("\"num_experts\": 16")) ==
        "config.json: num_experts: 16, but num_local_experts is 8");
}

TEST_CASE("what cannot be is refused after the import too") {
  CHECK(
      message_of(replaced(kMixtral, "\"num_experts_per_tok\": 2", "\"num_experts_per_tok\": 9")) ==
      "config.json: num_experts_per_tok: a token cannot use 9 of 8 experts");
  CHECK(message_of(replaced(kMixtral, "\"num_hidden_layers\": 32",
                            "\"num_hidden_layers\": 1000000000000000000")) ==
        "config.json: num_hidden_layers: expected a whole number from 1 to 10000, not "
        "1000000000000000000");
}

TEST_CASE("a config within a config is the text model's") {
  const std::string outer =
      "{\"model_type\": \"mixtral_vl\", \"vision_config\": {\"depth\": 9}, \"text_config\": " +
      kMixtral + ", \"quantization_config\": {\"quant_method\": \"fp8\"}}";
  const ModelSpec model = parse_hugging_face(outer, "config.json");
  CHECK(count_params(model).total() == 46'702'792'704);
  CHECK(model.stored.experts == Precision::FP8);
  CHECK(model.notes == std::vector<std::string>{"vision_config: the vision tower is not counted"});
  CHECK(
      message_of(replaced(outer, "\"hidden_size\": 4096", "\"hidden_size\": true")) ==
      "config.json: text_config.hidden_size: expected a whole number from 1 to 16777216, not true");
}

TEST_CASE("quantisation blocks say how each part is stored") {
  const auto stored = [](const std::string& block) {
    return parse_hugging_face(with("\"quantization_config\": " + block), "config.json").stored;
  };
  CHECK(stored(R"({"quant_method": "fp8", "weight_block_size": [128, 128]})").experts ==
        Precision::FP8Block);
  CHECK(stored(R"({"quant_method": "fp8"})").attention == Precision::FP8);
  const Formats mxfp4 = stored(
      R"({"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn"]})");
  CHECK(mxfp4.experts == Precision::MXFP4);
  CHECK(mxfp4.attention == Precision::BF16);
  const Formats kept = stored(
      R"({"quant_method": "fp8", "modules_to_not_convert": ["re:.*self_attn.*", "lm_head"]})");
  CHECK(kept.experts == Precision::FP8);
  CHECK(kept.attention == Precision::BF16);
  CHECK(
      stored(
          R"({"quant_method": "compressed-tensors", "ignore": ["re:.*self_attn.*"], "config_groups": {"group_0":
      {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "group_size": 32}}}})")
          .experts == Precision::INT4);
  CHECK(
      stored(
          R"({"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 4,
      "type": "float", "group_size": 16}}}})")
          .experts == Precision::NVFP4);
  CHECK(
      stored(
          R"({"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized", "config_groups": {"group_0":
      {"weights": {"num_bits": 4, "type": "float", "group_size": 32}}}})")
          .experts == Precision::MXFP4);
  const Formats modelopt = stored(
      R"({"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["model.layers.*.self_attn*"],
      "kv_cache_scheme": {"num_bits": 8, "type": "float"}})");
  CHECK(modelopt.experts == Precision::NVFP4);
  CHECK(modelopt.attention == Precision::BF16);
  CHECK(modelopt.kv_cache == Precision::FP8);
  CHECK(stored(R"({"quant_method": "awq", "bits": 4})").experts == Precision::INT4);
}

TEST_CASE("a quantisation that is not supported is named") {
  CHECK(message_of(with("\"quantization_config\": {\"quant_method\": \"quip\"}")) ==
        "config.json: quantization_config.quant_method: \"quip\" is not supported; fp8, mxfp4, "
        "compressed-tensors, "
        "modelopt, awq, gptq and auto-round are");
  CHECK(message_of(with("\"quantization_config\": {\"quant_method\": \"fp8\", "
                        "\"weight_block_size\": [64, 64]}")) ==
        "config.json: quantization_config.weight_block_size: only blocks of [128, 128] are "
        "supported");
  CHECK(message_of(with("\"quantization_config\": [1]")) ==
        "config.json: quantization_config: expected an object, not [1]");
  CHECK(
      message_of(
          with("\"quantization_config\": {\"quant_method\": \"modelopt\", \"quant_algo\": \"W3\"}"))
          .find("quantization_config.quant_algo: \"W3\" is not supported") != std::string::npos);
}

TEST_CASE("a cache's format stands in ModelOpt's block, too, and 0 bits are none") {
  const ModelSpec model = parse_hugging_face(
      with(R"("quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4",
              "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]})"),
      "config.json");
  CHECK(model.stored.kv_cache == Precision::FP8);
  CHECK(message_of(with(R"("quantization_config": {"quant_method": "gptq", "bits": 0})"))
            .find("0 bits are not supported; 4 and 8 are") != std::string::npos);
}

TEST_CASE("ModelOpt's second file says what the first does not") {
  const ModelSpec model = parse_hugging_face(
      kMixtral, "config.json",
      R"({"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8",
          "exclude_modules": ["lm_head", "model.layers.*.self_attn*"]}})");
  CHECK(model.stored.experts == Precision::FP8);
  CHECK(model.stored.attention == Precision::BF16);
  CHECK(model.stored.kv_cache == Precision::FP8);
  CHECK(message_of(kMixtral, R"({"quantization": {"quant_algo": "Q9"}})")
            .find("hf_quant_config.json: quantization.quant_algo: \"Q9\" is not supported") == 0);
}

TEST_CASE("patterns name modules as the writers mean them") {
  CHECK(names_module("self_attn", "model.layers.3.self_attn.o_proj"));
  CHECK(names_module("model.layers.*.self_attn", "model.layers.3.self_attn.o_proj"));
  CHECK(names_module("re:.*mlp\\.gate$", "model.layers.3.mlp.gate"));
  CHECK_FALSE(names_module("mlp.gate", "model.layers.3.mlp.gate_proj"));
  CHECK_FALSE(names_module("lm_head", "model.layers.3.self_attn.o_proj"));
  // Many stars against a long name end at once.
  CHECK_FALSE(names_module(std::string(2000, '*') + "x", std::string(2000, 'y')));
}

TEST_CASE("a regular expression with alternatives names each of them") {
  CHECK(names_module("re:.*mlp\\.(gate|up|down)_proj.*", "model.layers.3.mlp.down_proj"));
  CHECK_FALSE(names_module("re:.*mlp\\.(gate|up)_proj.*", "model.layers.3.mlp.down_proj"));
  CHECK(names_module("re:model\\.layers\\.\\d+\\.self_attn.*", "model.layers.31.self_attn.q_proj"));
  CHECK_FALSE(names_module("re:(((", "model.layers.3.mlp.down_proj"));
}

TEST_CASE("a regular expression is read from the start of a name, as Python's re.match reads it") {
  const std::string q = "model.layers.12.self_attn.q_proj";
  CHECK(names_module("re:model\\.layers\\.([0-9]|1[0-2])\\.self_attn", q));
  CHECK_FALSE(names_module("re:model\\.layers\\.([0-9]|1[0-1])\\.self_attn", q));
  CHECK_FALSE(names_module("re:self_attn", q));  // not from the start
  CHECK(names_module("re:^(?!.*experts).*proj$", q));
  CHECK_FALSE(names_module("re:^(?!.*self_attn).*proj$", q));
  CHECK(names_module("re:.*layers\\.\\d{2}\\.(?:self_attn|mlp).*", q));
  CHECK_FALSE(names_module("re:.*layers\\.\\d{3,}\\..*", q));
  // Nested repeats that would keep a backtracking matcher busy for ever.
  CHECK_FALSE(names_module("re:((((.*)*)*)*)*x", std::string(200, 'y')));
  for (const char* wrong :
       {"re:(a", "re:a)", "re:*a", "re:[a", "re:a{2,1}", "re:\\bword", "re:(?<=a)b"}) {
    CAPTURE(wrong);
    CHECK_FALSE(names_module(wrong, q));
  }
}

TEST_CASE("int4 groups have a 16-bit scale each") {
  // 45.1 B expert numbers at half a byte and 2/32, attention too; embedding, head, router, norms 2.
  const ModelSpec model = parse_hugging_face(
      with(
          R"("quantization_config": {"quant_method": "compressed-tensors", "config_groups": {"group_0":
          {"weights": {"num_bits": 4, "type": "int", "group_size": 32}}}})"),
      "config.json");
  const double matrices = 45'097'156'608 + 1'342'177'280;
  const double rest = 46'702'792'704 - matrices;
  CHECK(weight_bytes(model, model.stored).total() == matrices * (0.5 + 2.0 / 32) + rest * 2);
}
