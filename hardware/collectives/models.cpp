#include "hardware/collectives/models.h"

#include <cmath>

namespace moesim::hardware {
namespace {

// How far NCCL over several nodes may be off beside its fit within one, 90th percentile of |ln|:
// its network constants are in no table (README.md).
constexpr double kOverNodesDoubt = 0.234;

CollectiveModel<NcclModel> chosen(const FittedModel& model, double doubt,
                                  const std::string& asked) {
  Fitted<NcclModel> fitted(model, doubt);
  ModelUse use = fitted.use("nccl", asked);
  return CollectiveModel<NcclModel>(std::move(fitted), std::move(use));
}

// Over several nodes: a fit of its own, or what was fitted within one with the network's round
// figures, less what that fit's table says of the choices within a node.
CollectiveModel<NcclModel> over_nodes(const Device& device, const std::string& variant,
                                      const CollectiveModel<NcclModel>& node) {
  const std::string wide = variant + "_internode", asked = "nccl " + wide;
  if (const FittedModel* own = find_fitted(device, "nccl", "nccl", wide))
    return chosen(*own, 0, asked);
  const FittedModel* within = find_fitted(device, "nccl", "nccl", variant);
  if (within == nullptr) return node;
  FittedModel model = *within;
  model.residual = {};
  return chosen(model, kOverNodesDoubt, asked);
}

Reach<NcclModel> reach(const Device& device, const std::string& variant) {
  CollectiveModel<NcclModel> node = choose_model<NcclModel>(device, "nccl", variant);
  CollectiveModel<NcclModel> nodes = over_nodes(device, variant, node);
  return {std::move(node), std::move(nodes)};
}

// No table has a broadcast: it goes the way of an all-gather.
Reach<NcclModel> broadcast_of(const Device& device) {
  const FittedModel* gather = find_fitted(device, "nccl", "nccl", "all_gather");
  if (gather == nullptr || find_fitted(device, "nccl", "nccl", "broadcast") != nullptr)
    return reach(device, "broadcast");
  FittedModel bare = *gather;
  bare.residual = {};
  return {
      chosen(*gather, kOtherOperationDoubt, "nccl broadcast"),
      chosen(bare, std::hypot(kOtherOperationDoubt, kOverNodesDoubt), "nccl broadcast_internode")};
}

template <std::size_t... I>
std::array<std::unique_ptr<const Multicast>, kMulticasts> make_all(const Device& device,
                                                                   std::index_sequence<I...>) {
  return {multicasts()[I].make(device)...};
}

}  // namespace

CollectiveModels::CollectiveModels(const Device& device)
    : all_reduce(reach(device, "all_reduce")),
      all_gather(reach(device, "all_gather")),
      reduce_scatter(reach(device, "reduce_scatter")),
      all_to_all(reach(device, "alltoall")),
      broadcast(broadcast_of(device)),
      send_receive(reach(device, "send_receive")),
      engine_all_reduce{choose_model<CustomAllReduceModel>(device, "trtllm", "graph"),
                        choose_model<CustomAllReduceModel>(device, "vllm", "graph"),
                        choose_model<CustomAllReduceModel>(device, "sglang", "graph")},
      multicasts(make_all(device, std::make_index_sequence<kMulticasts>{})) {}

std::shared_ptr<const CollectiveModels> collective_models(const Device& device) {
  return std::make_shared<const CollectiveModels>(device);
}

}  // namespace moesim::hardware
