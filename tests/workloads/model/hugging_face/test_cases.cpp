// The smallest configs of faults that real users met, in cases/, each with the right value worked
// out by hand, and other shapes of the same kinds.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "sim/error.h"
#include "workloads/model/counts.h"
#include "workloads/model/hugging_face/hugging_face.h"

using namespace moesim;
using namespace moesim::workloads;
using hardware::Precision;

namespace {

const std::string kFolder = "tests/workloads/model/hugging_face/cases/";

std::string text_of(const std::string& name) {
  std::ifstream file(kFolder + name + ".json");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

ModelSpec model_of(const std::string& text) {
  return parse_hugging_face(text, "config.json");
}

std::string message_of(const std::string& text) {
  try {
    model_of(text);
  } catch (const sim::Error& error) {
    return error.what();
  }
  return "nothing thrown";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, from);
  return text.replace(at, from.size(), to);
}

std::int64_t params(const std::string& text) {
  return count_params(model_of(text)).total();
}

double stored(const std::string& text) {
  const ModelSpec model = model_of(text);
  return weight_bytes(model, model.stored).total();
}

// Two layers of width 256: attention of 4 heads of 64 over 2 keys' heads, 196,608; 64 experts of 3
// x 256 x 128, 6,291,456; a router of 16,384; norms of 2 x 256 and 2 x 64; embedding and head of
// 256,000 each, a last norm. 2 x 6,505,088 + 512,000 + 256.
constexpr std::int64_t kQwen = 13'522'432;
const std::string kPlain = text_of("m2-two-names");

// The plain config with a quantisation.
std::string quantised(const std::string& block) {
  return replaced(kPlain, "\"num_mtp_modules\": 7", "\"quantization_config\": " + block);
}

}  // namespace

TEST_CASE("Infinity and NaN, as Python writes them, are read") {
  // Mamba (512 inner, 2 groups of 16): 256 x (512 + 576 + 8) + 512 x 256 + 576 x 5 + 24 + 512 =
  // 415,064; attention 256 x (256 + 256) + 256 x 256 = 196,608; two mixtures of 16 x 2 x 256 x 128
  // + 2 x 256 x 256 + 16 x 256 + 16 = 1,183,760; four norms and the last of 256; 512,000.
  const ModelSpec model = model_of(text_of("m1-infinity"));
  CHECK(count_params(model).total() == 3'492'472);
  CHECK(count_params(model).total() == 415'064 + 196'608 + 2 * 1'183'760 + 5 * 256 + 512'000);
  // Less 14 of 16 experts in each of two mixtures; its maker counts no embedding.
  CHECK(headline_params(model).active == 3'492'472 - 2 * 14 * 65'536 - 256'000);
  CHECK(params(replaced(text_of("m1-infinity"), "Infinity]", "-Infinity, NaN]")) == 3'492'472);
}

TEST_CASE("prediction modules that were trained and those that are shipped are two things") {
  const ModelSpec model = model_of(kPlain);
  CHECK(count_params(model).total() == kQwen);
  CHECK(model.prediction_layers == 1);
  CHECK(model.notes ==
        std::vector<std::string>{"1 prediction modules are taken, but num_mtp_modules is 7"});
}

TEST_CASE("a tokenizer's length beside the model's is told, not refused") {
  const ModelSpec model =
      model_of(replaced(kPlain, "\"num_mtp_modules\": 7", "\"model_max_length\": 131072"));
  CHECK(model.max_context == 4096);
  CHECK(model.notes == std::vector<std::string>{
                           "a context of 4096 tokens is taken, but model_max_length is 131072"});
}

TEST_CASE("a dense member of a mixture's type is read as one") {
  // Mamba-2 (512 inner, 1 group of 16): 256 x (512 + 544 + 8) + 512 x 256 + 544 x 5 + 24 + 512 =
  // 406,712; attention 196,608; four FFNs of 3 x 256 x 512; nine norms of 256; the embedding.
  const ModelSpec model = model_of(text_of("m3-dense-member"));
  CHECK(count_params(model).total() == 3 * 406'712 + 196'608 + 4 * 393'216 + 9 * 256 + 256'000);
  CHECK(count_params(model).total() == 3'247'912);
  CHECK_FALSE(model.is_moe());
  for (const char* none : {"0", "null", "false"}) {
    // Experts of 2 x 6,291,456 and routers of 2 x 16,384 go, two FFNs of 3 x 256 x 512 come.
    CHECK(
        params(replaced(kPlain, "\"num_experts\": 64", std::string("\"num_experts\": ") + none)) ==
        kQwen - 2 * 6'291'456 - 2 * 16'384 + 2 * 393'216);
  }
}

TEST_CASE("false, 0 and lists of one are read as what they stand for") {
  CHECK(params(text_of("m6-false-for-null")) == kQwen);
  CHECK(params(replaced(kPlain, "\"num_mtp_modules\": 7", "\"sliding_window\": 0")) == kQwen);
  CHECK(params(replaced(kPlain, "\"num_mtp_modules\": 7", "\"kv_lora_rank\": false")) == kQwen);
  CHECK(params(replaced(kPlain, "\"num_experts_per_tok\": 4", "\"num_experts_per_tok\": [4]")) ==
        kQwen);
  CHECK(params(replaced(kPlain, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2.0")) ==
        kQwen);
  CHECK(params(replaced(kPlain, "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": 0")) ==
        kQwen);
}

TEST_CASE(
    "a text model two levels down is found, and one under a new name where it is the only one") {
  CHECK(params(text_of("m8-two-levels-down")) == kQwen);
  CHECK(params(replaced(text_of("m8-two-levels-down"), "thinker_config", "brain")) == kQwen);
  // An inner config without a type is of the type that its architectures or the outer one name.
  CHECK(params(replaced(text_of("m8-two-levels-down"), "\"model_type\": \"qwen3_omni_moe_text\",",
                        "\"architectures\": [\"Qwen3MoeForCausalLM\"],")) == kQwen);
  CHECK(params(replaced(text_of("m8-two-levels-down"), "\"model_type\": \"qwen3_omni_moe_text\",",
                        "")) == kQwen);
}

TEST_CASE("the number of layers is that of a list where no key says it") {
  CHECK(params(replaced(kPlain, "\"num_hidden_layers\": 2",
                        "\"layer_types\": [\"full_attention\", \"full_attention\"]")) == kQwen);
}

TEST_CASE("keys of experts are read under new names, and named where they are not understood") {
  // 256,000 (tied) + 2 x (196,608 + 16 x 3 x 256 x 128 + 256 x 16 + 2 x 256) + 256.
  const std::string other = text_of("m13-unknown-experts-key");
  CHECK(params(other) == 256'000 + 2 * (196'608 + 1'572'864 + 4096 + 512) + 256);
  CHECK(message_of(replaced(other, "moe_num_primary_experts", "moe_main_expert_total")) ==
        "config.json: num_experts: missing, and the keys that speak of experts are not understood: "
        "moe_main_expert_total, moe_num_active_primary_experts, moe_ffn_hidden_size; describe the "
        "model in a .yaml file\n"
        "config.json: intermediate_size: missing (nor is ffn_dim, n_inner, ffn_hidden_size there)");
}

TEST_CASE("ModelOpt's mixed precision gives each matrix the format that its list names") {
  // Experts at 4.5 bits, attention's matrices at 8, router, embeddings and norms at 16.
  CHECK(stored(text_of("m5-mixed-unknown-algo")) ==
        12'582'912 * 4.5 / 8 + 393'216 + 2 * (32'768 + 512'000 + 1'536));
  CHECK(message_of(replaced(text_of("m5-mixed-unknown-algo"), "W4A16_NVFP4", "W2A16_X")) ==
        "config.json: quantization_config.quantized_layers.model.layers.0.mlp.experts.quant_algo: "
        "\"W2A16_X\" is not supported; FP8, FP8_PB_WO, NVFP4, W4A16_NVFP4, MXFP4, W4A16_AWQ, "
        "INT8_SQ and MIXED_PRECISION are");
  CHECK(message_of(quantised(R"({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"})")) ==
        "config.json: quantization_config.quantized_layers: missing; MIXED_PRECISION gives each "
        "matrix its own format, in this list or in hf_quant_config.json beside the config");
}

TEST_CASE("a block without quant_method is of whom its other keys name") {
  // Qwen3, dense: 2 x 589,824 matrices at 8 bits, 512,000 and 1,536 numbers at 16.
  const ModelSpec model = model_of(text_of("m10-no-quant-method"));
  CHECK(weight_bytes(model, model.stored).total() == 2'206'720);
  CHECK(model.stored.kv_cache == Precision::FP8);
  CHECK(message_of(quantised(R"({"some": 1})")) ==
        "config.json: quantization_config.quant_method: missing; fp8, mxfp4, compressed-tensors, "
        "modelopt, awq, gptq and auto-round are supported");
  CHECK(message_of(replaced(kPlain, "\"num_mtp_modules\": 7", "\"quantization\": {\"bits\": 4}")) ==
        "config.json: quantization: a quantisation under this name is not understood; "
        "quantization_config and compression_config are");
}

TEST_CASE("compressed-tensors' targets name the matrices of a group") {
  // Experts at 4 bits and 2 bytes for 32; all else at 16.
  const double experts = 12'582'912 * (0.5 + 2.0 / 32);
  CHECK(stored(text_of("m12-ct-targets")) == experts + 2.0 * (kQwen - 12'582'912));
  CHECK(stored(text_of("m12-ct-targets")) == 8'956'928);
  // Two groups: experts at 4 bits, every other matrix at 8.
  const std::string two = replaced(text_of("m12-ct-targets"), "\"group_0\"",
                                   R"("group_1": {"targets": ["Linear"], "weights": {"num_bits": 8,
                                   "type": "float"}}, "group_0")");
  CHECK(stored(two) == experts + 393'216 + 2.0 * (kQwen - 12'582'912 - 393'216));
  // ... and the list of what is left alone goes before both.
  CHECK(stored(replaced(two, "\"ignore\": []", "\"ignore\": [\"re:.*self_attn.*\"]")) == 8'956'928);
}

TEST_CASE("GPTQ's dynamic and AWQ's exceptions leave their matrices alone") {
  const double experts = 12'582'912 * (0.5 + 2.0 / 128);
  const double rest = 2.0 * (kQwen - 12'582'912 - 393'216);
  CHECK(stored(quantised(R"({"quant_method": "gptq", "bits": 4, "group_size": 128,
      "dynamic": {"-:.*self_attn.*": {}}})")) == experts + 2 * 393'216 + rest);
  CHECK(stored(quantised(R"({"quant_method": "gptq", "bits": 4, "group_size": 128,
      "dynamic": {"+:.*self_attn.*": {"bits": 8}}})")) ==
        experts + 393'216 * (1 + 2.0 / 128) + rest);
  // AWQ has a zero of 4 bits a group beside the scale.
  CHECK(stored(quantised(R"({"quant_method": "awq", "bits": 4, "group_size": 128,
      "modules_to_not_convert": ["self_attn"]})")) ==
        experts + 12'582'912 * 0.5 / 128 + 2 * 393'216 + rest);
}

TEST_CASE("a part whose matrices differ is told with its share") {
  // One of two layers of attention is left alone: 16 and 8 bits have a half each. The format of the
  // smaller value decides a tie, and the share of the other is told.
  const ModelSpec model = model_of(quantised(
      R"({"quant_method": "fp8", "modules_to_not_convert": ["model.layers.1.self_attn.q_proj"]})"));
  // q of layer 1: 65,536 of 2 x 196,608.
  CHECK(model.stored.attention == Precision::FP8);
  CHECK(model.notes ==
        std::vector<std::string>{
            "quantisation: 17 % of the attention is in bf16: its bytes are counted so, its time as "
            "of fp8, as most of it is"});
}

TEST_CASE("sparse attention reads the chosen blocks of a cache, and the index whole") {
  // Keys and values of 2 x 64 in 16 bits: 512 bytes a token and layer. At 131,072 tokens layer 0
  // reads all, the others 16 x 128 tokens and the index: 128 numbers in fp8 and a 4-byte scale.
  const ModelSpec model = model_of(text_of("a1-sparse-attention"));
  const double read = decode_bytes(model, model.stored, Precision::BF16, 131'072).cache;
  CHECK(read == 131'072 * 512.0 + 3 * (2'048 * 512.0 + 131'072 * 132.0));
  CHECK(kv_bytes(model, Precision::BF16, 131'072) == 131'072 * (4 * 512.0 + 3 * 132.0));
  // Scores and values of 4 heads of 64, and an index of 4 heads of 128, 2 FLOP each.
  CHECK(decode_flops(model, 131'072).attention ==
        131'072 * 1024.0 + 3 * (2'048 * 1024.0 + 131'072 * 1024.0));
  // Below the blocks' number all is read.
  CHECK(decode_bytes(model, model.stored, Precision::BF16, 1'000).cache ==
        1'000 * (4 * 512.0 + 3 * 132.0));
}

// More of our own. Two layers of width 256 as above, but 16 experts: 393,216 of attention,
// 3,145,728 of experts, 521,728 of the rest (routers 8,192, norms 1,536, embedding and head
// 512,000), the rest being stored in 16 bits.
TEST_CASE("what a quantisation leaves out stays in 16 bits, in each library's own words") {
  constexpr double kAttention = 393'216, kExperts = 3'145'728, kRest = 2 * 521'728;
  // GPTQ: attention left out; a third of the experts in 8 bits, the rest of them in 4, and a 16-bit
  // scale for 128: 1.015625 and 0.515625 B. AWQ has a zero of 4 bits for 128 beside.
  CHECK(stored(text_of("q-gptq-dynamic")) ==
        doctest::Approx(2 * kAttention + (2 * 0.515625 + 1.015625) / 3 * kExperts + kRest));
  CHECK(model_of(text_of("q-gptq-dynamic")).notes ==
        std::vector<std::string>{"quantisation: 33 % of the experts is in int8: its bytes are "
                                 "counted so, its time as of int4, as most of it is"});
  CHECK(stored(text_of("q-awq")) ==
        doctest::Approx(2 * kAttention + (0.515625 + 0.5 / 128) * kExperts + kRest));
  CHECK(stored(text_of("q-fp8-tensor")) == 2 * kAttention + kExperts + kRest);
  // Two groups of compressed-tensors: attention in 8 bits, experts in 4 with a scale for 32: 0.5625
  // B.
  CHECK(stored(text_of("q-ct-two-groups")) == kAttention + 0.5625 * kExperts + kRest);
  CHECK(stored(text_of("q-mxfp4")) == 2 * kAttention + 0.53125 * kExperts + kRest);
  CHECK(stored(text_of("q-modelopt-fp8")) == kAttention + kExperts + kRest);
  CHECK(model_of(text_of("q-modelopt-fp8")).stored.kv_cache == Precision::FP8);
  CHECK(stored(text_of("q-intx-autoround")) == 0.515625 * (kAttention + kExperts) + kRest);
  CHECK(message_of(text_of("q-bitsandbytes")) ==
        "config.json: quantization_config.quant_method: \"bitsandbytes\" is not supported; fp8, "
        "mxfp4, compressed-tensors, modelopt, awq, gptq and auto-round are");
}

TEST_CASE("a config is found under a language_config, its layers by their types, behind a mark") {
  constexpr std::int64_t kSmall = 393'216 + 3'145'728 + 521'728;
  CHECK(params(text_of("s-language-config")) == kSmall);
  CHECK(params(text_of("s-layer-types")) == kSmall);
  CHECK(params(text_of("s-byte-order-mark")) == kSmall);
  // No experts at all: two dense FFNs of 3 x 256 x 512 in their place, and no router.
  CHECK(params(text_of("s-zero-experts")) == kSmall - 3'145'728 - 8'192 + 2 * 393'216);
}

TEST_CASE("a Llama 4 whose list of mixtures is empty, or whose step is 0, is dense") {
  const auto counted = [](const std::string& says) {
    return params(R"({"model_type": "llama4_text", "hidden_size": 256, "head_dim": 64,
        "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
        "vocab_size": 1000, "intermediate_size": 128, "intermediate_size_mlp": 512,
        "attention_chunk_size": 8192, "num_experts_per_tok": 1, )" +
                  says + "}");
  };
  // Attention of 196,608, an FFN of 3 x 256 x 512 and two norms a layer; 512,000 and a norm.
  constexpr std::int64_t kDense = 4 * (196'608 + 393'216 + 512) + 512'000 + 256;
  CHECK(counted(R"("num_local_experts": 4, "moe_layers": [])") == kDense);
  CHECK(counted(R"("num_local_experts": 4, "interleave_moe_layer_step": 0)") == kDense);
  CHECK(counted(R"("num_local_experts": 0, "moe_layers": [])") == kDense);
  // A mixture of 4 + 1 experts of 3 x 256 x 128 and a router of 1,024 in the place of an FFN.
  constexpr std::int64_t kMixture = 5 * 98'304 + 1'024 - 393'216;
  CHECK(counted(R"("num_local_experts": 4, "moe_layers": [2])") == kDense + kMixture);
  CHECK(counted(R"("num_local_experts": 4, "moe_layers": null, "interleave_moe_layer_step": 2)") ==
        kDense + 2 * kMixture);
}

TEST_CASE("what Transformers' own classes write is read") {
  // A rank for 16 channels of 4096.
  const std::string jamba = text_of("../configs/jamba-1.5-mini");
  CHECK(params(replaced(jamba, "\"mamba_dt_rank\": 256", "\"mamba_dt_rank\": \"auto\"")) ==
        params(jamba));
  // MiniMax's layers by a list of numbers, and by their names.
  const auto minimax = [](const std::string& layers) {
    return params(R"({"model_type": "minimax", "hidden_size": 256, "head_dim": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "vocab_size": 1000, "intermediate_size": 128, "num_local_experts": 4,
        "num_experts_per_tok": 2, )" +
                  layers + "}");
  };
  CHECK(minimax(R"("layer_types": ["linear_attention", "full_attention"])") ==
        minimax(R"("attn_type_list": [0, 1])"));
  CHECK(message_of(replaced(kPlain, "qwen3_moe", "ernie4_5_moe_vl")) ==
        "config.json: model_type: experts for texts and others for images, of two widths, are not "
        "supported; describe the model in a .yaml file");
}

TEST_CASE("one mistake of a config is told once") {
  CHECK(message_of(replaced(text_of("../configs/minimax-text-01"), "[\n  0,", "[\n  2,")) ==
        "config.json: attn_type_list: expected whole numbers from 0 to 1, not 2");
  for (const char* wrong : {"\"256\"", "-1"}) {
    CHECK(message_of(replaced(text_of("../configs/deepseek-v3.2"), "\"n_routed_experts\": 256",
                              std::string("\"n_routed_experts\": ") + wrong))
              .find('\n') == std::string::npos);
  }
  CHECK(message_of(quantised(R"({"quant_method": "gptq", "bits": "4", "group_size": 128})")) ==
        "config.json: quantization_config.bits: expected a whole number from 0 to 64, not \"4\"");
}

TEST_CASE("what does not go together is told in the file's own keys") {
  CHECK(message_of(replaced(kPlain, "\"num_experts_per_tok\": 4", "\"num_experts_per_tok\": 65")) ==
        "config.json: num_experts_per_tok: a token cannot use 65 of 64 experts");
  CHECK(message_of(replaced(kPlain, "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3")) ==
        "config.json: num_attention_heads: 4 query heads do not share 3 key heads evenly");
  const auto grouped = [](const char* keys) {
    return message_of(replaced(kPlain, "\"num_mtp_modules\": 7", keys));
  };
  CHECK(grouped(R"("n_group": null, "topk_group": 4)") ==
        "config.json: topk_group: a token cannot use 4 of 1 groups, as n_group has it");
  CHECK(grouped(R"("n_group": 48)") ==
        "config.json: n_group: 64 experts do not divide into 48 groups");
  CHECK(grouped(R"("num_expert_group": 32, "topk_group": 1)") ==
        "config.json: topk_group: 1 groups of 2 experts hold fewer than the 4 that a token uses");
}
