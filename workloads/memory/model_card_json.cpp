#include <cmath>
#include <nlohmann/json.hpp>

#include "workloads/memory/model_card.h"

namespace moesim::workloads {

using sim::io::Json;
namespace {

// Bytes and FLOP are whole in print; a double that is whole prints as "5.0".
Json whole(double value) {
  return std::llround(value);
}

Json parts(const ModelParams& p) {
  Json json = Json::object();
  json["embedding"] = p.embedding;
  json["head"] = p.head;
  json["attention"] = p.attention;
  json["cross_attention"] = p.cross_attention;
  json["dense_ffn"] = p.dense_ffn;
  json["router"] = p.router;
  json["experts"] = p.experts;
  json["shared_experts"] = p.shared_experts;
  json["latent_projections"] = p.latent;
  json["norms"] = p.norms;
  json["other"] = p.other;
  json["unused_by_text"] = p.unused;
  json["total"] = p.total();
  json["active"] = p.active();
  json["idle_experts"] = p.idle_experts;
  json["prediction_modules"] = p.prediction;
  return json;
}

Json layout(const Parallelism& p) {
  return Json{{"tp", p.tp}, {"pp", p.pp}, {"dp", p.dp}, {"ep", p.ep}, {"etp", p.etp}, {"cp", p.cp}};
}

Json fit(const CardFit& f) {
  Json json = Json::object();
  json["precision"] = f.precision;
  json["device"] = f.device;
  json["gpus"] = f.gpus;
  if (f.gpus == 0) return json;
  json["layout"] = layout(f.layout);
  json["weights_bytes"] = f.memory.weights();
  json["kv_cache_bytes"] = f.memory.kv_cache;
  json["activations_bytes"] = f.memory.activations;
  json["buffers_bytes"] = f.memory.buffers;
  json["context_bytes"] = f.memory.context;
  json["peak_bytes"] = f.memory.peak();
  json["capacity_bytes"] = f.capacity;
  json["headroom_bytes"] = f.capacity - f.memory.peak();
  json["largest_batch_per_dp_rank"] = f.largest_batch;
  json["largest_context"] = f.largest_context;
  return json;
}

}  // namespace

Json to_json(const ModelCard& card) {
  const ModelSpec& model = card.model;
  Json json = Json::object();
  json["schema_version"] = 1;
  json["model"] = model.name;
  json["family"] = model.family;
  json["total_params"] = card.headline.total;
  json["active_params"] = card.headline.active;
  json["experts"] = card.experts;
  json["top_k"] = card.top_k;
  json["shared_experts"] = card.shared_experts;
  json["layers"] = model.layer_count();
  json["encoder_layers"] = model.encoder_layers;
  json["moe_layers"] = card.moe_layers;
  json["hidden"] = model.hidden;
  json["vocab"] = model.vocab;
  json["max_context"] = model.max_context;
  json["counting"] = {{"prediction_layers", model.counting.prediction_layers},
                      {"embedding_in_total", model.counting.embedding_in_total},
                      {"head_in_total", model.counting.head_in_total},
                      {"embedding_in_active", model.counting.embedding_in_active},
                      {"head_in_active", model.counting.head_in_active}};
  json["params"] = parts(card.params);
  json["layer_kinds"] = Json::array();
  for (const CardKind& kind : card.kinds) {
    const LayerParams& p = kind.each;
    json["layer_kinds"].push_back({{"name", kind.name},
                                   {"layers", kind.layers},
                                   {"total_params", p.total()},
                                   {"active_params", p.active()},
                                   {"attention", p.mixer.total() + p.cross.total()},
                                   {"dense_ffn", p.dense + p.dense_vectors},
                                   {"expert", p.expert + p.expert_vectors},
                                   {"experts", p.experts},
                                   {"shared_experts", p.shared + p.shared_vectors},
                                   {"router", p.router + p.router_vectors}});
  }
  json["kv_cache_precision"] = std::string(hardware::name_of(card.kv_precision));
  json["kv_bytes_per_token"] = whole(card.kv_bytes_per_token);
  json["state_bytes_per_sequence"] = whole(card.state_bytes);
  Json bytes = Json::object();
  for (const auto& [name, value] : card.weight_bytes) bytes[std::string(name)] = whole(value);
  json["weight_bytes"] = bytes;
  json["stored_weight_bytes"] = whole(card.stored_bytes);
  json["context"] = card.context;
  json["flops_per_token"] = {{"prefill", whole(card.prefill.total())},
                             {"decode", whole(card.decode.total())},
                             {"training", whole(card.training)},
                             {"prefill_attention", whole(card.prefill.attention)},
                             {"decode_attention", whole(card.decode.attention)}};
  json["bytes_per_token"] = {{"prefill", whole(card.prefill_bytes)},
                             {"decode", whole(card.decode_bytes.weights + card.decode_bytes.cache)},
                             {"decode_weights", whole(card.decode_bytes.weights)},
                             {"decode_cache", whole(card.decode_bytes.cache)}};
  json["dense_equivalent"] = {{"equal_flop_params", card.dense.equal_flop_params},
                              {"equal_size_params", card.dense.equal_size_params}};
  json["memory"] = Json::array();
  for (const CardFit& f : card.fits) json["memory"].push_back(fit(f));
  Json published = Json::object();
  if (model.published.total_billion > 0) published["total_billion"] = model.published.total_billion;
  if (model.published.active_billion > 0)
    published["active_billion"] = model.published.active_billion;
  published["source"] = model.published.source;
  published["confirmed"] = model.published.confirmed;
  json["published"] = published;
  json["notes"] = model.notes;
  return json;
}

}  // namespace moesim::workloads
