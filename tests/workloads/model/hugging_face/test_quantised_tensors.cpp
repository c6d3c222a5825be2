// Which matrices a quantisation's lists name, and what all of them take together.
//
// Two layers of width 256 with 64 experts (cases/m2-two-names.json). A layer: q and o of 65,536,
// k and v of 32,768 each; experts of 3 x 32,768 each.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "sim/error.h"
#include "workloads/model/counts.h"
#include "workloads/model/hugging_face/hugging_face.h"
#include "workloads/model/hugging_face/layer_matrices.h"

using namespace moesim;
using namespace moesim::workloads;
using doctest::Approx;
using hardware::Precision;

namespace {

constexpr double kExpert = 3 * 32'768, kAttention = 196'608;  // of a layer

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string quantised(const std::string& block) {
  std::string text = text_of("tests/workloads/model/hugging_face/cases/m2-two-names.json");
  const std::string key = "\"num_mtp_modules\": 7";
  return text.replace(text.find(key), key.size(), "\"quantization_config\": " + block);
}

ModelSpec model_of(const std::string& block) {
  return parse_hugging_face(quantised(block), "config.json");
}

std::string message_of(const std::string& block) {
  try {
    model_of(block);
  } catch (const sim::Error& error) {
    return error.what();
  }
  return "nothing thrown";
}

WeightBytes bytes_of(const std::string& block) {
  const ModelSpec model = model_of(block);
  return weight_bytes(model, model.stored);
}

std::string fp8(const std::string& left_alone) {
  return R"({"quant_method": "fp8", "modules_to_not_convert": [)" + left_alone + "]}";
}

}  // namespace

TEST_CASE("an expert that is named by its number is one of all") {
  const double all = 2 * 64 * kExpert;
  // One of 64 in one of two layers in 2 bytes, all others in one.
  CHECK(bytes_of(fp8(R"("model.layers.1.mlp.experts.7")")).experts == Approx(all + kExpert));
  // One matrix of it.
  CHECK(bytes_of(fp8(R"("model.layers.1.mlp.experts.63.up_proj")")).experts ==
        Approx(all + kExpert / 3));
  // 0 and 10 to 19 in both layers; a tie of formats would be the plain one's.
  const std::string some =
      R"({"quant_method": "compressed-tensors", "ignore": ["re:.*experts\\.(0|1[0-9])\\..*"],
          "config_groups": {"a": {"targets": ["Linear"],
                                  "weights": {"num_bits": 8, "type": "float"}}}})";
  CHECK(bytes_of(some).experts == Approx(all + 2 * 11 * kExpert));
  CHECK(model_of(some).stored.experts == Precision::FP8);
  CHECK(model_of(some).notes ==
        std::vector<std::string>{"quantisation: 17 % of the experts is in bf16: its bytes are "
                                 "counted so, its time as of fp8, as most of it is"});
  // Most of them.
  const ModelSpec most = model_of(fp8(R"("re:.*experts\\.([1-9]|[1-5][0-9])\\..*")"));
  CHECK(most.stored.experts == Precision::BF16);
  CHECK(weight_bytes(most, most.stored).experts == Approx(2 * all - 2 * 5 * kExpert));
}

TEST_CASE("a matrix counts by its numbers") {
  // o is a third of the attention, k a sixth.
  CHECK(bytes_of(fp8(R"("o_proj")")).attention == bytes_of(fp8(R"("re:.*\\.o_proj$")")).attention);
  const WeightBytes none = bytes_of(fp8(""));
  CHECK(bytes_of(fp8(R"("o_proj")")).attention - none.attention == Approx(2 * kAttention / 3));
  CHECK(bytes_of(fp8(R"("k_proj")")).attention - none.attention == Approx(2 * kAttention / 6));
  // A pattern of one matrix is not the fused one's.
  CHECK(bytes_of(fp8(R"("re:.*v_proj$")")).attention - none.attention ==
        Approx(2 * kAttention / 6));
  CHECK(bytes_of(fp8(R"("re:.*qkv_proj$")")).attention - none.attention ==
        Approx(2 * kAttention * 2 / 3));
  CHECK(bytes_of(fp8(R"("re:.*\\.up_proj$")")).experts == bytes_of(fp8(R"("up_proj")")).experts);
}

TEST_CASE("an exception may end, or begin, with a dot") {
  const WeightBytes none = bytes_of(fp8(""));
  CHECK(bytes_of(fp8(R"("model.layers.0.")")).attention - none.attention == Approx(kAttention));
  CHECK(bytes_of(fp8(R"(".self_attn.")")).attention - none.attention == Approx(2 * kAttention));
}

TEST_CASE("a quantisation that names nothing of the model is a mistake") {
  const std::string targets =
      R"({"quant_method": "compressed-tensors", "config_groups": {"a": {"targets": ["re:.*tower.*"],
          "weights": {"num_bits": 8, "type": "float"}}}})";
  CHECK(message_of(targets) ==
        "config.json: quantization_config.config_groups: names no matrix of this model that is "
        "known: all of it would stay in 16 bits");
  CHECK(message_of(R"({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION",
                       "quantized_layers": {"nobody.knows": {"quant_algo": "FP8"}}})")
            .find("quantized_layers: names no matrix") != std::string::npos);
  // Nothing is named where nothing is said to be quantised.
  CHECK(message_of(R"({"quant_method": "modelopt", "quant_algo": null,
                       "kv_cache_quant_algo": "FP8", "quantized_layers": {}})")
            .find("names no matrix") == std::string::npos);
}

TEST_CASE("what a block says beside and is not counted is told") {
  const auto notes = [](const std::string& block) { return model_of(block).notes; };
  using Notes = std::vector<std::string>;
  CHECK(notes(R"({"quant_method": "fp8", "modules_to_not_covert": ["lm_head"],
                  "activation_scheme": "dynamic"})") ==
        Notes{"quantisation: keys that are not used: modules_to_not_covert"});
  CHECK(notes(R"({"quant_method": "gptq", "bits": 4, "group_size": 128, "lm_head": true})") ==
        Notes{"quantisation: the head is quantised, too, and counted in 16 bits"});
  CHECK(notes(R"({"quant_method": "fp8", "sparsity_config": {"format": "sparse-24-bitmask"}})") ==
        Notes{"quantisation: weights that are sparse are counted as if they were not"});
  CHECK(message_of(R"({"quant_method": "fp8", "bits": 4})") ==
        "config.json: quantization_config.bits: fp8 has 8 of them");
  CHECK(message_of(R"({"quant_method": "gptq", "group_size": 128})") ==
        "config.json: quantization_config.bits: missing");
  CHECK(message_of(R"({"quant_method": "fp8", "kv_cache_scheme": {"num_bits": 4, "type": "int"}})")
            .find("kv_cache_scheme.num_bits: a cache of 4 bits of type int is not supported") !=
        std::string::npos);
}

TEST_CASE("GPTQ may quantise chosen matrices alone") {
  const WeightBytes chosen = bytes_of(
      R"({"quant_method": "gptq", "bits": 4, "group_size": 128,
          "modules_in_block_to_quantize": [["self_attn.q_proj"], ["self_attn.k_proj"]]})");
  CHECK(chosen.experts == Approx(2 * 2 * 64 * kExpert));
  // Half of the attention's numbers take 0.515625 bytes.
  const ModelSpec plain = model_of(R"({"quant_method": "fp8"})");
  const double vectors = weight_bytes(plain, plain.stored).attention - 2 * kAttention;
  CHECK(chosen.attention == Approx(vectors + kAttention * (2 + 0.515625)));
}

TEST_CASE("each matrix has the groups that its own rule says") {
  // 4 bits and a 16-bit scale a group: 0.5625 bytes in groups of 32, 0.515625 in groups of 128.
  const auto of_all = [](double experts, double attention) {
    return Approx(2 * 64 * kExpert * experts + 2 * kAttention * attention);
  };
  const auto bytes = [](const ModelSpec& model) {
    const WeightBytes own = weight_bytes(model, model.stored);
    const double vectors = weight_bytes(model, Formats()).attention - 2 * 2 * kAttention;
    return own.experts + own.attention - vectors;
  };
  const auto group = [](const char* name, const char* target, int size) {
    return fmt::format(R"("{}": {{"targets": ["re:.*{}.*"], "weights": {{"num_bits": 4,
        "type": "int", "strategy": "group", "group_size": {}}}}})",
                       name, target, size);
  };
  const auto groups = [](const std::string& first, const std::string& second) {
    return R"({"quant_method": "compressed-tensors", "config_groups": {)" + first + "," + second +
           "}}";
  };
  const std::string experts = group("a", "experts", 32), attention = group("b", "self_attn", 128);
  CHECK(bytes(model_of(groups(experts, attention))) == of_all(0.5625, 0.515625));
  CHECK(bytes(model_of(groups(attention, experts))) == of_all(0.5625, 0.515625));
  // What would be asked for in int4 has the groups of most numbers: the experts'.
  CHECK(model_of(groups(experts, attention)).stored.int4_scale_bytes == 2.0 / 32);
  CHECK(model_of(groups(attention, experts)).stored.int4_scale_bytes == 2.0 / 32);
  // All is in int4: nothing to tell of its time.
  CHECK(model_of(groups(experts, attention)).notes.empty());
  CHECK(bytes(model_of(R"({"quant_method": "gptq", "bits": 4, "group_size": 128,
            "dynamic": {"+:.*experts.*": {"bits": 4, "group_size": 32}}})")) ==
        of_all(0.5625, 0.515625));
  CHECK(bytes(model_of(R"({"quant_method": "auto-round", "bits": 4, "group_size": 128,
            "extra_config": {"model.layers.1.self_attn": {"group_size": 32}}})")) ==
        of_all(0.515625, (0.515625 + 0.5625) / 2));
  CHECK(bytes(model_of(R"({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION",
            "quantized_layers": {"model.layers.*.mlp.experts": {"quant_algo": "W4A16_AWQ", "group_size": 32},
                                 "model.layers.*.self_attn": {"quant_algo": "W4A16_AWQ",
                                                              "group_size": 128}}})")) ==
        of_all(0.5625, 0.515625));
}

TEST_CASE("integers of 8 bits have scales of their groups, and asymmetric ones zeros") {
  const auto experts = [](const std::string& block) {
    return bytes_of(block).experts / (2 * 64 * kExpert);
  };
  const auto gptq = [&](const char* says) {
    return experts(R"({"quant_method": "gptq", "group_size": 32, )" + std::string(says) + "}");
  };
  const auto tensors = [&](const char* says) {
    return experts(R"({"quant_method": "compressed-tensors", "config_groups": {"a": {"weights":
        {"type": "int", "group_size": 128, )" +
                   std::string(says) + "}}}}");
  };
  // A 16-bit scale for 32 or 128 numbers; a zero is as wide as a number.
  CHECK(gptq(R"("bits": 8)") == Approx(1 + 2.0 / 32));
  CHECK(gptq(R"("bits": 8, "sym": false)") == Approx(1 + 3.0 / 32));
  CHECK(gptq(R"("bits": 4, "sym": true)") == Approx(0.5 + 2.0 / 32));
  CHECK(gptq(R"("bits": 4, "sym": false)") == Approx(0.5 + 2.5 / 32));
  CHECK(tensors(R"("num_bits": 8)") == Approx(1 + 2.0 / 128));
  CHECK(tensors(R"("num_bits": 8, "symmetric": false)") == Approx(1 + 3.0 / 128));
  CHECK(tensors(R"("num_bits": 4, "symmetric": false)") == Approx(0.5 + 2.5 / 128));
  // AWQ's have zeros where nothing is said.
  const auto awq = [&](const char* says) {
    return experts(R"({"quant_method": "awq", "bits": 4, "group_size": 64)" + std::string(says) +
                   "}");
  };
  CHECK(awq("") == Approx(0.5 + 2.5 / 64));
  CHECK(awq(R"(, "zero_point": false)") == Approx(0.5 + 2.0 / 64));
  // A row's scale is not counted.
  CHECK(experts(R"({"quant_method": "gptq", "bits": 8, "group_size": -1, "sym": false})") == 1);
  // An exception may be asymmetric alone.
  CHECK(gptq(R"("bits": 4, "dynamic": {"+:.*experts.*": {"sym": false}})") ==
        Approx(0.5 + 2.5 / 32));
}

TEST_CASE("prediction modules that a list leaves alone are told") {
  const auto notes = [](const std::string& left_alone) { return model_of(fp8(left_alone)).notes; };
  using Notes = std::vector<std::string>;
  // Layer 2 of two, or by name.
  const Notes all{
      "quantisation: the prediction modules have attention in bf16, counted in the layers' fp8",
      "quantisation: the prediction modules have experts in bf16, counted in the layers' fp8"};
  CHECK(notes(R"("model.layers.2")") == all);
  CHECK(notes(R"("model.layers.2*")") == all);
  CHECK(notes(R"("re:^mtp.*")") == all);
  CHECK(notes(R"("mtp")") == all);
  CHECK(notes(R"("model.layers.2.mlp")") == Notes{all[1]});
  // Of attention that is in bf16 everywhere there is nothing to tell.
  CHECK(notes(R"("self_attn", "model.layers.2.self_attn")").empty());
  CHECK(notes(R"("re:.*mlp.gate$")").empty());
}

TEST_CASE("AutoRound's exceptions may be expressions, which are found anywhere in a name") {
  const auto bytes = [](const std::string& exceptions) {
    const WeightBytes own = bytes_of(
        R"({"quant_method": "auto-round", "bits": 4, "group_size": 128, "extra_config": {)" +
        exceptions + "}}");
    return own.attention + own.experts;
  };
  const double eight = 1.015625 - 0.515625;  // more than in 4 bits
  const double none = bytes("");
  CHECK(bytes(R"(".*self_attn.*": {"bits": 8})") == Approx(none + 2 * kAttention * eight));
  // Of k and v, a sixth of the attention each; of layer 1.
  CHECK(bytes(R"("[kv]_proj": {"bits": 8})") == Approx(none + 2 * kAttention / 3 * eight));
  CHECK(bytes(R"("layers\\.1\\..*attn": {"bits": 8})") == Approx(none + kAttention * eight));
  CHECK(bytes(R"("^self_attn": {"bits": 8})") == Approx(none));
  // A name goes before expressions: q of layer 0, a third of its attention.
  CHECK(bytes(R"(".*attn.*": {"bits": 8}, "model.layers.0.self_attn.q_proj": {"bits": 4})") ==
        Approx(none + (2 - 1.0 / 3) * kAttention * eight));
}

TEST_CASE("AutoRound's data types are formats, and an unknown one is a mistake") {
  const auto block = [](const char* says) {
    return R"({"quant_method": "auto-round", )" + std::string(says) + "}";
  };
  const auto experts = [&](const char* says) {
    return bytes_of(block(says)).experts / (2 * 64 * kExpert);
  };
  // A byte of scale for 32 numbers, or 16.
  CHECK(experts(R"("bits": 4, "data_type": "mx_fp", "group_size": 32)") == Approx(0.5 + 1.0 / 32));
  CHECK(experts(R"("bits": 4, "data_type": "nv_fp4", "group_size": 16)") == Approx(0.5 + 1.0 / 16));
  CHECK(experts(R"("bits": 8, "data_type": "mx_fp", "group_size": 32)") == Approx(1 + 1.0 / 32));
  CHECK(experts(R"("bits": 8, "data_type": "fp", "group_size": -1)") == 1);
  const auto format = [&](const char* says) { return model_of(block(says)).stored.experts; };
  CHECK(format(R"("bits": 4, "data_type": "mx_fp")") == Precision::MXFP4);
  CHECK(format(R"("bits": 4, "data_type": "nv_fp")") == Precision::NVFP4);
  CHECK(format(R"("bits": 8, "data_type": "fp8_e4m3")") == Precision::FP8);
  CHECK(format(R"("bits": 8, "data_type": "int")") == Precision::INT8);
  // An exception has a type of its own, and without one the block's.
  const WeightBytes mixed = bytes_of(block(R"("bits": 4, "data_type": "mx_fp", "group_size": 32,
      "extra_config": {"self_attn": {"bits": 8}, ".*experts.*": {"data_type": "nv_fp"}})"));
  CHECK(mixed.experts == Approx(2 * 64 * kExpert * (0.5 + 1.0 / 16)));
  CHECK(mixed.attention - bytes_of(fp8("")).attention == Approx(2 * kAttention / 32));
  CHECK(message_of(block(R"("bits": 4, "data_type": "int_asym_dq", "group_size": 32)")) ==
        "config.json: quantization_config.data_type: 4 bits of \"int_asym_dq\" are not supported; "
        "int and mx_fp of 4 and 8, nv_fp of 4 and fp of 8 are");
}

TEST_CASE("the older files of AWQ and GPTQ beside a config are read") {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / "moesim-older-quantisation";
  const auto experts = [&](const char* name, const char* text) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "config.json")
        << text_of("tests/workloads/model/hugging_face/cases/m2-two-names.json");
    std::ofstream(folder / name) << text;
    const ModelSpec model = import_hugging_face(folder / "config.json");
    return weight_bytes(model, model.stored).experts / (2 * 64 * kExpert);
  };
  CHECK(experts("quant_config.json", R"({"zero_point": true, "q_group_size": 128, "w_bit": 4,
                                         "version": "GEMM"})") == Approx(0.515625 + 0.5 / 128));
  CHECK(experts("quantize_config.json", R"({"bits": 4, "group_size": 32, "desc_act": false,
                                            "damp_percent": 0.1})") == Approx(0.5625));
  CHECK(experts("other.json", "{}") == Approx(2));
  std::filesystem::remove_all(folder);
}

TEST_CASE("the matrices of every shipped model sum to what is counted") {
  for (const auto& entry : std::filesystem::directory_iterator("configs/models")) {
    if (entry.path().extension() != ".yaml") continue;
    const ModelSpec model = load_model(entry.path());
    for (const LayerKind& kind : model.kinds) {
      std::array<std::int64_t, 4> sums{};
      for (const LayerMatrix& matrix : matrices_of(kind, model.hidden)) {
        sums[static_cast<std::size_t>(matrix.part)] += matrix.numbers;
        CHECK(matrix.numbers > 0);
      }
      const LayerParams params = layer_params(kind, model.hidden);
      CHECK_MESSAGE(sums[0] == params.mixer.matrices() + params.cross.matrices(), entry.path());
      CHECK_MESSAGE(sums[1] == params.expert, entry.path());
      CHECK_MESSAGE(sums[2] == params.shared, entry.path());
      CHECK_MESSAGE(sums[3] == params.dense, entry.path());
    }
  }
}
