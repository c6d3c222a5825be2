// What the ranks of an expert group do in a layer, forward and backward, as lists of steps: every
// rank computes, or ranks exchange bytes.
//
// An expert group is the ranks of a stage that exchange anything within a layer: over ep and etp,
// tp and cp. It is laid out as ranks 0, 1, … of its own (expert_group.h).
//
//   forward   attention | dispatch | mlp | combine | tail
//   backward  [forward again] head | combine | mlp, its weights | dispatch | attention, its weights
//
// Shared experts beside the exchanges (overlap.shared_expert) are computed while one is under way,
// on what its kernels leave of the GPU, and experts come after them: forward beside the dispatch,
// backward beside the combine's gradient, and for weights beside the dispatch's. So Megatron-Core's
// are, on a stream of their own (transformer/moe/shared_experts.py).
//
// Backward the gradient of a combine goes the dispatch's way, that of a dispatch the combine's, by
// the same routing. Tensor parallelism has sequence parallelism: an all-gather before a column
// product and a reduce-scatter after a row product, backward the other one, and beside the
// backward pass the saved input is gathered again for the weights' gradient.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "hardware/kernels/training_attention.h"
#include "workloads/deployment/host.h"
#include "workloads/step/communication.h"
#include "workloads/training/operations.h"
#include "workloads/training/question.h"
#include "workloads/training/routed_layers.h"

namespace moesim::workloads {

// Beyond those of Phase: exchanges of context parallelism.
inline constexpr std::uint32_t kContextPhase = static_cast<std::uint32_t>(kPhases);
inline constexpr std::size_t kTrainingPhases = kPhases + 1;

struct PassStep {
  const char* what = "";
  std::uint32_t phase = index_of(Phase::Other);
  std::vector<Work> works = {};  // of each rank of the group, or one for all
  std::vector<hardware::PricedExchange> exchanges = {};  // none: it computes
  std::int64_t operations = 1;                           // of the framework, that an exchange takes
  std::optional<GraphScope> scope = {};  // that it is recorded in, where that is a graph
  bool waits = false;  // the host needs numbers of what came before it, and waits for them
  // Starts where the exchange before it did, and nothing waits for it but what comes after on its
  // stream. Where there was none it is a step as others.
  bool beside = false;
};
using Steps = std::vector<PassStep>;

struct LayerForward {
  Steps attention = {}, dispatch = {}, mlp = {}, combine = {}, tail = {};
};
struct LayerBackward {
  Steps again = {}, head = {}, combine = {}, mlp = {}, mlp_weights = {}, dispatch = {},
        attention = {}, attention_weights = {};
  Steps shared_weights = {};  // that come beside the dispatch; others are with mlp_weights
};
struct LayerPasses {
  LayerForward forward;
  LayerBackward backward;
  std::vector<std::int64_t> rows = {};       // of each rank's experts; none without experts
  std::int64_t selections = 0, dropped = 0;  // of all ranks: choices, and those over a capacity
};

class LayerPassBuilder {
 public:
  // All arguments outlive this. `group`: the deployment of one expert group.
  struct Input {
    const Deployment& group;
    const TrainingQuestion& question;
    const RankLayout& layout;
    const hardware::Kernels& kernels;
    const hardware::TrainingAttention& cores;
    const hardware::GroupedProducts& grouped;
    const Communication& communication;
    RoutedLayers& routed;
    hardware::DeviceShare share = {};
  };
  explicit LayerPassBuilder(const Input& input);

  // Good as long as this. `draw`: which step of the routing.
  const LayerPasses& layer(std::int64_t layer, std::uint32_t draw);
  const LayerPasses& embedding();
  const LayerPasses& head();
  // What a prediction layer adds before its layer: norms and a projection. Its layer is routed as
  // the last mixture layer is.
  const LayerPasses& prediction_input();
  const LayerPasses& prediction_layer(std::uint32_t draw);

 private:
  using Key = std::pair<std::int64_t, std::uint32_t>;
  using Collective = hardware::PricedExchange (Communication::*)(std::span<const Rank>,
                                                                 sim::Bytes) const;
  enum class Over { Tensor, Context, ExpertTensor };

  // Made once, and remembered.
  template <class Make>
  const LayerPasses& once(const Key& key, Make make) {
    const auto found = known_.find(key);
    return found != known_.end() ? found->second : known_.emplace(key, make()).first->second;
  }
  LayerPasses make(const LayerKind& kind, std::size_t moe_index, std::uint32_t draw);
  void add_attention(const LayerKind& kind, LayerPasses& to);
  void add_context(const Mixer& mixer, const Operations& ops, LayerPasses& to) const;
  Sums experts(const MoeFfn& moe, std::span<const std::int64_t> rows, std::int64_t tokens);
  const std::array<Operation, 2>& expert(const MoeFfn& moe, std::int64_t rows, bool alone);
  void add_dense(const DenseFfn& ffn, LayerPasses& to);
  void add_moe(const MoeFfn& moe, std::size_t moe_index, std::uint32_t draw, LayerPasses& to);

  // Of activations or their gradients, which have 16 bits.
  static sim::Bytes bytes_of(std::int64_t numbers) { return sim::Bytes(2 * numbers); }
  void compute(Steps& steps, const char* what, Phase phase, Work work,
               std::optional<GraphScope> scope = {}) const;
  void collective(Steps& steps, const char* what, Over over, Collective how,
                  std::span<const sim::Bytes> bytes, bool beside = false) const;
  void tensor(Steps& steps, const char* what, Collective how, sim::Bytes bytes,
              bool beside = false) const;

  Input in_;
  OperationPricing pricing_;
  OperationPricing beside_;  // of what is computed while exchanges are under way
  bool by_layer_;
  std::int64_t tokens_;      // of a cp rank
  std::int64_t own_tokens_;  // of a tp and cp rank
  std::vector<std::size_t> moe_index_;
  std::map<Key, LayerPasses> known_;
  // By rows. They are many, and asked for again and again.
  std::map<const MoeFfn*, std::unordered_map<std::int64_t, std::array<Operation, 2>>>
      expert_products_;
};

}  // namespace moesim::workloads
