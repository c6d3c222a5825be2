#include <doctest/doctest.h>

#include <string>

#include "sim/error.h"
#include "workloads/model/counts.h"
#include "workloads/model/model_spec.h"
#include "workloads/model/model_yaml.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

// Hidden 8, two dense layers and four mixtures of 4 experts.
const std::string kSmall = R"(name: small
hidden: 8
vocab: 10
mixers:
  attention: {kind: gqa, heads: 4, kv_heads: 2, head_dim: 2}
ffns:
  dense: {kind: dense, inter: 16}
  moe: {kind: moe, experts: 4, top_k: 2, inter: 6, shared_experts: 1, router: {kind: sigmoid, bias: true}}
layers:
  - {repeat: 2, mixer: attention, ffn: dense}
  - {repeat: 4, mixer: attention, ffn: moe}
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

std::string message_of(const std::string& yaml) {
  try {
    parse_model_yaml(yaml, "small.yaml");
  } catch (const sim::ConfigError& error) {
    return error.what();
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("layers are runs of named mixers and FFNs") {
  const ModelSpec model = parse_model_yaml(kSmall, "small.yaml");
  CHECK(model.layer_count() == 6);
  CHECK(model.kinds.size() == 2);
  CHECK(model.moe_layers() == std::vector<std::int64_t>{2, 3, 4, 5});
  REQUIRE(model.moe(2) != nullptr);
  CHECK(model.moe(1) == nullptr);
  CHECK(model.dense(1)->inter == 16);
  CHECK(model.moe(2)->shared_width() ==
        6);  // as wide as a routed expert where nothing else is said
  CHECK(model.mixer<GqaAttention>(0)->kv_heads == 2);
}

TEST_CASE("a pattern repeats its layers in order") {
  const ModelSpec model =
      parse_model_yaml(replaced(kSmall, "  - {repeat: 4, mixer: attention, ffn: moe}",
                                "  - repeat: 2\n    pattern: [{mixer: attention, ffn: dense}, "
                                "{mixer: attention, ffn: moe}]"),
                       "small.yaml");
  CHECK(model.moe_layers() == std::vector<std::int64_t>{3, 5});
}

TEST_CASE("the parameters of a small model are the sum that one does by hand") {
  // Attention: q 8 x 8, k and v 8 x 4 each, o 8 x 8: 192 a layer, six layers: 1152.
  // Dense: 3 x 8 x 16 = 384, two layers: 768. Expert: 3 x 8 x 6 = 144; 4 a layer, four layers:
  // 2304. Shared: 144 x 4 = 576. Router: 8 x 4 and 4 biases, four layers: 144. Norms: 2 x 8 x 6 + 8
  // = 104. Embedding and head: 80 each. Two of four experts are idle: 4 layers x 2 x 144 = 1152.
  const ModelParams p = count_params(parse_model_yaml(kSmall, "small.yaml"));
  CHECK(p.attention == 1152);
  CHECK(p.dense_ffn == 768);
  CHECK(p.experts == 2304);
  CHECK(p.shared_experts == 576);
  CHECK(p.router == 144);
  CHECK(p.norms == 104);
  CHECK(p.embedding == 80);
  CHECK(p.head == 80);
  CHECK(p.total() == 1152 + 768 + 2304 + 576 + 144 + 104 + 160);
  CHECK(p.active() == p.total() - 1152);
}

TEST_CASE("stages share the layers and what does not divide goes to those before the last") {
  const ModelSpec model = parse_model_yaml(kSmall, "small.yaml");
  CHECK(split_stages(model, 3) == std::vector<LayerRange>{{0, 2}, {2, 4}, {4, 6}});
  CHECK(split_stages(model, 4) == std::vector<LayerRange>{{0, 1}, {1, 3}, {3, 5}, {5, 6}});
  CHECK_THROWS_WITH_AS(split_stages(model, 7),
                       "pp: small has 6 layers; a pipeline of 1 to 6 stages would do, not 7",
                       sim::ConfigError);
}

TEST_CASE("what cannot be is refused with the place and what would do") {
  CHECK(
      message_of(replaced(kSmall, "top_k: 2", "top_k: 5")) ==
      "small.yaml: small: layer kind \"attention+moe\": top_k: a token cannot use 5 of 4 experts");
  CHECK(message_of(replaced(kSmall, "kv_heads: 2", "kv_heads: 3")) ==
        "small.yaml: small: layer kind \"attention+dense\": heads: 4 query heads do not share 3 "
        "key heads "
        "evenly\n"
        "small.yaml: small: layer kind \"attention+moe\": heads: 4 query heads do not share 3 key "
        "heads evenly");
  CHECK(message_of(replaced(kSmall, "bias: true", "groups: 3")) ==
        "small.yaml: small: layer kind \"attention+moe\": router.groups: 4 experts do not divide "
        "into 3 groups");
  CHECK(
      message_of(replaced(kSmall, "{repeat: 2, mixer: attention", "{repeat: 2, mixer: atention")) ==
      "small.yaml:10:24: layers[0].mixer: expected one of attention, not \"atention\"; did you "
      "mean "
      "\"attention\"?");
}

TEST_CASE("a model file has one of two endings") {
  CHECK_THROWS_WITH_AS(
      load_model("model.toml"),
      "model.toml: a model is a .yaml file of ours or a Hugging Face config.json, not \".toml\"",
      sim::ConfigError);
}
