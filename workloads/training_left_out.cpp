#include "workloads/training_left_out.h"

#include <algorithm>

namespace moesim::workloads {
namespace {

// Whether GEMMs are priced by a fit of training's own.
bool fitted_on_training(const Deployment& d, const Report& report) {
  return d.kernels.gemm == "transformer_engine" &&
         std::ranges::none_of(report.stand_ins, [](const StandInReport& one) {
           return one.kind == "gemm" && one.asked.starts_with("transformer_engine");
         });
}

}  // namespace

std::vector<std::string> left_out(const Deployment& d, const TrainingQuestion& q,
                                  const Report& report) {
  std::vector<std::string> list{
      fitted_on_training(d, report)
          ? "GEMMs and experts are priced by fits of Transformer Engine's GEMMs in training, "
            "forward and backward; beside them and attention no fit speaks for training kernels"
          : "GEMMs and experts are priced by fits of inference kernels, gradients as GEMMs of "
            "their own shapes; beside attention no fit speaks for training kernels",
      "gradients and parameters take the closed form of their collective on what exchanges of "
      "tokens "
      "leave of the links, which slow for nothing"};
  if (d.host.graphs == Graphs::All || d.host.per_operation + d.host.per_launch == sim::Duration{})
    list.emplace_back(
        "the host launches ahead: no launch is waited for (host: {graphs: none} waits for them)");
  if (q.sharding == Sharding::Weights)
    list.emplace_back(
        "sharding: weights gathers and reduces layer by layer beside the passes, whatever "
        "overlap.gradients and overlap.parameters say: a pass waits for its first layer, and for "
        "what the links cannot carry beside it");
  if (!d.cluster.slow.empty())
    list.emplace_back(
        "every expert group of a stage is as slow as the slowest GPUs at its places in any of "
        "them, "
        "since all meet at the gradients: with slow GPUs in several the step is at most too long");
  if (q.overlap.tensor)
    list.emplace_back("collectives beside their GEMMs take no multiprocessors from them");
  if (q.overlap.expert)
    list.emplace_back(
        "experts' weights' gradients are computed apart from the inputs', whether "
        "overlap.delay_weight_gradients says so or not");
  if (q.capacity && !q.fills_capacity && !q.drops_last && hardware::traits_of(d.tokens).copies &&
      d.tokens != hardware::MulticastAlgorithm::Nccl)
    list.emplace_back(
        "probabilities of choices are not in a routing: of an expert's tokens those over its "
        "capacity are the last ones, which changes a little who is sent a token");
  return list;
}

}  // namespace moesim::workloads
