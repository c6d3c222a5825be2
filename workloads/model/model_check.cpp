#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sim/error.h"
#include "workloads/model/model_check.h"

namespace moesim::workloads {

namespace {

// Widths and counts beyond these are typing errors; products of them stay below 2^63.
constexpr std::int64_t kMostWidth = std::int64_t{1} << 24;
constexpr std::int64_t kMostExperts = std::int64_t{1} << 20;
constexpr std::int64_t kMostLayers = 10'000;

// No model has so many parameters; counts of them fit 64 bits with room for their bytes.
constexpr double kMostParams = 1e16;

// Parameters of a layer to an order of magnitude, in doubles: before anything is multiplied that
// could overflow.
struct Magnitude {
  double hidden;

  static double number(std::int64_t n) { return static_cast<double>(n); }
  double operator()(const NoMixer&) const { return 0; }
  double operator()(const GqaAttention& a) const {
    return 4 * (hidden + number(a.query_rank)) * number(std::max(a.heads, a.kv_heads)) *
               number(std::max(a.head_dim, a.value_dim)) +
           hidden * number(a.output_gate) +
           hidden * number(a.index.heads) * number(a.index.head_dim);
  }
  double operator()(const MlaAttention& a) const {
    const double ranks = hidden + number(a.q_lora_rank) + number(a.kv_lora_rank);
    return ranks * number(a.heads) * number(a.nope_dim + a.rope_dim + a.value_dim) +
           hidden * ranks + ranks * number(a.index.heads) * number(a.index.head_dim);
  }
  double operator()(const CompressedAttention& a) const {
    return 4 * (hidden + number(a.q_lora_rank) + number(a.output_lora_rank)) * number(a.heads) *
               number(a.head_dim) +
           hidden * number(a.output_groups) * number(a.output_lora_rank) +
           (number(a.compress) + hidden) * number(a.head_dim) * 4 +
           hidden * number(a.index.heads) * number(a.index.head_dim);
  }
  double operator()(const LinearAttention& a) const {
    return 6 * (hidden + number(a.convolution)) * number(std::max(a.key_heads, a.value_heads)) *
           number(std::max(a.key_dim, a.value_dim));
  }
  double operator()(const MambaMixer& m) const {
    return 4 * (hidden + number(m.convolution)) * number(m.heads) * number(m.head_dim) +
           2 * hidden * number(m.groups) * number(m.state) +
           2 * number(m.heads) * number(m.head_dim) * number(m.dt_rank) +
           number(m.heads) * number(m.head_dim) * number(m.state);
  }
  double operator()(const LstmMixer& m) const { return 9 * hidden * number(m.units); }
  double operator()(const NoFfn&) const { return 0; }
  double operator()(const DenseFfn& f) const { return 3 * hidden * number(f.inter); }
  double operator()(const MoeFfn& f) const {
    return number(f.experts) *
               (3 * std::max(hidden, number(f.latent)) * number(f.inter) + 2 * hidden) +
           3 * hidden * number(f.shared_experts) * number(f.shared_inter) +
           3 * hidden * number(f.residual_inter) + 2 * hidden * number(f.latent);
  }
};

double magnitude(const ModelSpec& model) {
  const Magnitude count{static_cast<double>(model.hidden)};
  const auto layer = [&](const LayerKind& kind) {
    return std::visit(count, kind.mixer) + std::visit(count, kind.ffn) +
           (kind.cross ? count(*kind.cross) : 0.0);
  };
  double sum = 2 * count.hidden * static_cast<double>(model.vocab + model.positions);
  for (const std::size_t kind : model.layers) sum += layer(model.kinds[kind]);
  if (model.prediction_layers > 0) {
    sum += static_cast<double>(model.prediction_layers) *
           (layer(model.kinds[model.prediction_kind]) + 2 * count.hidden * count.hidden);
  }
  return sum;
}

class Checker {
 public:
  bool failed() const { return !mistakes_.empty(); }
  void range(const std::string& what, std::int64_t found, std::int64_t least, std::int64_t most) {
    if (found < least || found > most) {
      mistakes_.push_back(
          fmt::format("{}: expected a number from {} to {}, not {}", what, least, most, found));
    }
  }
  void width(const std::string& what, std::int64_t found) { range(what, found, 1, kMostWidth); }
  void optional_width(const std::string& what, std::int64_t found) {
    range(what, found, 0, kMostWidth);
  }
  void mistake(std::string text) { mistakes_.push_back(std::move(text)); }

  void operator()(const NoMixer&) {}
  void operator()(const GqaAttention& a) {
    width(at_ + "heads", a.heads);
    width(at_ + "kv_heads", a.kv_heads);
    width(at_ + "head_dim", a.head_dim);
    optional_width(at_ + "value_dim", a.value_dim);
    range(at_ + "window", a.window, 0, std::int64_t{1} << 40);
    optional_width(at_ + "output_gate", a.output_gate);
    optional_width(at_ + "query_rank", a.query_rank);
    index(a.index);
    if (a.kv_heads > 0 && a.heads > 0 && a.heads % a.kv_heads != 0) {
      mistake(fmt::format("{}heads: {} query heads do not share {} key heads evenly", at_, a.heads,
                          a.kv_heads));
    }
  }
  void operator()(const MlaAttention& a) {
    width(at_ + "heads", a.heads);
    optional_width(at_ + "q_lora_rank", a.q_lora_rank);
    width(at_ + "kv_lora_rank", a.kv_lora_rank);
    width(at_ + "nope_dim", a.nope_dim);
    optional_width(at_ + "rope_dim", a.rope_dim);
    width(at_ + "value_dim", a.value_dim);
    index(a.index);
  }
  void operator()(const CompressedAttention& a) {
    width(at_ + "heads", a.heads);
    width(at_ + "head_dim", a.head_dim);
    width(at_ + "q_lora_rank", a.q_lora_rank);
    range(at_ + "window", a.window, 1, std::int64_t{1} << 40);
    optional_width(at_ + "compress", a.compress);
    range(at_ + "compress_overlap", a.compress_overlap, 1, 2);
    width(at_ + "output_groups", a.output_groups);
    width(at_ + "output_lora_rank", a.output_lora_rank);
    if (a.output_groups > 0 && a.heads % a.output_groups != 0) {
      mistake(fmt::format("{}output_groups: {} heads do not divide into {} groups", at_, a.heads,
                          a.output_groups));
    }
    index(a.index);
  }
  void operator()(const LinearAttention& a) {
    width(at_ + "key_heads", a.key_heads);
    width(at_ + "value_heads", a.value_heads);
    width(at_ + "key_dim", a.key_dim);
    width(at_ + "value_dim", a.value_dim);
    optional_width(at_ + "convolution", a.convolution);
  }
  void operator()(const MambaMixer& m) {
    width(at_ + "heads", m.heads);
    width(at_ + "head_dim", m.head_dim);
    width(at_ + "groups", m.groups);
    width(at_ + "state", m.state);
    optional_width(at_ + "convolution", m.convolution);
    optional_width(at_ + "dt_rank", m.dt_rank);
  }
  void operator()(const LstmMixer& m) { width(at_ + "units", m.units); }

  void operator()(const NoFfn&) {}
  void operator()(const DenseFfn& f) { width(at_ + "inter", f.inter); }
  void operator()(const MoeFfn& f) {
    range(at_ + "experts", f.experts, 1, kMostExperts);
    range(at_ + "top_k", f.top_k, 1, kMostExperts);
    width(at_ + "inter", f.inter);
    range(at_ + "shared_experts", f.shared_experts, 0, kMostExperts);
    if (f.shared_experts > 0) width(at_ + "shared_inter", f.shared_inter);
    optional_width(at_ + "residual_inter", f.residual_inter);
    optional_width(at_ + "latent", f.latent);
    if (f.top_k > f.experts) {
      mistake(fmt::format("{}top_k: a token cannot use {} of {} experts", at_, f.top_k, f.experts));
    }
    range(at_ + "router.groups", f.router.groups, 1, kMostExperts);
    range(at_ + "router.top_groups", f.router.top_groups, 1, kMostExperts);
    if (f.router.groups > 1 && f.experts % f.router.groups != 0) {
      mistake(fmt::format("{}router.groups: {} experts do not divide into {} groups", at_,
                          f.experts, f.router.groups));
    } else if (f.router.top_groups > f.router.groups) {
      mistake(fmt::format("{}router.top_groups: a token cannot use {} of {} groups", at_,
                          f.router.top_groups, f.router.groups));
    } else if (f.router.groups > 1 && f.experts / f.router.groups * f.router.top_groups < f.top_k) {
      mistake(fmt::format("{}router.top_groups: {} groups of {} experts hold fewer than top_k = {}",
                          at_, f.router.top_groups, f.experts / f.router.groups, f.top_k));
    }
    if (f.router.kind == RouterKind::Dense && f.top_k != f.experts) {
      mistake(fmt::format("{}top_k: a dense router uses all {} experts, not {}", at_, f.experts,
                          f.top_k));
    }
  }

  void kind(const LayerKind& kind) {
    at_ = "layer kind \"" + kind.name + "\": ";
    std::visit(*this, kind.mixer);
    std::visit(*this, kind.ffn);
    if (kind.cross) (*this)(*kind.cross);
    range(at_ + "norms", kind.norms, 0, 64);
  }

  void throw_mistakes(const std::string& model) const {
    if (mistakes_.empty()) return;
    std::string text;
    for (const std::string& mistake : mistakes_) {
      text += (text.empty() ? "" : "\n") + model + ": " + mistake;
    }
    throw sim::ConfigError(text);
  }

 private:
  void index(const SparseIndex& index) {
    range(at_ + "index.top_k", index.top_k, 0, std::int64_t{1} << 40);
    if (index.top_k == 0 || (index.heads == 0 && index.head_dim == 0)) return;
    width(at_ + "index.heads", index.heads);
    width(at_ + "index.head_dim", index.head_dim);
  }

  std::string at_;
  std::vector<std::string> mistakes_;
};

}  // namespace

void check_model(const ModelSpec& model) {
  Checker check;
  check.width("hidden", model.hidden);
  check.range("vocab", model.vocab, model.head ? 1 : 0, kMostWidth);
  check.range("max_context", model.max_context, 0, std::int64_t{1} << 40);
  check.range("positions", model.positions, 0, std::int64_t{1} << 40);
  check.range("other_params", model.other_params, 0, std::int64_t{1} << 40);
  check.range("layers", model.layer_count(), 1, kMostLayers);
  check.range("encoder_layers", model.encoder_layers, 0, model.layer_count());
  check.range("prediction_layers", model.prediction_layers, 0, kMostLayers);
  for (const std::size_t kind : model.layers) {
    if (kind >= model.kinds.size()) {
      check.mistake(fmt::format("layers: there is no layer kind {}", kind));
      break;
    }
  }
  if (model.prediction_layers > 0 && model.prediction_kind >= model.kinds.size()) {
    check.mistake(fmt::format("prediction: there is no layer kind {}", model.prediction_kind));
  }
  for (const LayerKind& kind : model.kinds) check.kind(kind);
  if (!check.failed() && magnitude(model) > kMostParams) {
    check.mistake(fmt::format("about {:.1e} parameters; models of up to {:.0e} are supported",
                              magnitude(model), kMostParams));
  }
  check.throw_mistakes(model.name.empty() ? "model" : model.name);
}

void check_model_of(const ModelSpec& model, const std::string& file) {
  try {
    check_model(model);
  } catch (const sim::ConfigError& error) {
    std::string said = file + ": ";
    for (const char c : std::string_view(error.what())) {
      said += c;
      if (c == '\n') said += file + ": ";
    }
    throw sim::ConfigError(said);
  }
}

}  // namespace moesim::workloads
