// The cost models of the collectives, chosen for a device: its own fits, the nearest that stand in,
// or defaults, with what is told of each (hardware/trust.h).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "hardware/collectives/forms/all.h"
#include "hardware/collectives/multicast.h"
#include "hardware/device.h"
#include "hardware/kernels/fitted.h"
#include "hardware/trust.h"

namespace moesim::hardware {

// How far an operation may be off that another one's parameters stand in for, 90th percentile of
// |ln|, as of another implementation: a broadcast goes the way of an all-gather, no table has one.
inline constexpr double kOtherOperationDoubt = 0.3;

// One of them. What it says of itself stays where it is while the model does.
template <class M>
class CollectiveModel {
 public:
  explicit CollectiveModel(Fitted<M> fitted, ModelUse use)
      : parameters_(fitted.parameters()), fitted_(std::move(fitted)), use_(std::move(use)) {}
  // Of parameters as they are, in their physical range or not: for machines made in code.
  explicit CollectiveModel(typename M::Parameters parameters)
      : parameters_(parameters),
        use_{.kind = std::string(M::kKind), .asked = "as given", .used = "as given"} {}

  const typename M::Parameters& parameters() const { return parameters_; }
  const ModelUse& use() const { return use_; }
  Estimate estimate(const typename M::Shape& shape, const Rates& rates) const {
    if (fitted_) return fitted_->estimate(shape, rates);
    Estimate e;
    e.us = M::us(shape, rates, parameters_);
    return e;
  }

 private:
  typename M::Parameters parameters_;
  std::optional<Fitted<M>> fitted_;
  ModelUse use_;
};

// Kernels within one node, and those that go over several.
template <class M>
struct Reach {
  CollectiveModel<M> node, nodes;

  const CollectiveModel<M>& over(std::size_t several) const { return several > 1 ? nodes : node; }
};

// Two directions of each.
template <class M>
struct ThereAndBack {
  Reach<M> dispatch, combine;

  const CollectiveModel<M>& of(bool back, std::size_t nodes) const {
    return (back ? combine : dispatch).over(nodes);
  }
};

struct CollectiveModels {
  // Throws ConfigError where a fit lacks a parameter or has one out of its physical range.
  explicit CollectiveModels(const Device& device);

  // NCCL's.
  Reach<NcclModel> all_reduce, all_gather, reduce_scatter, all_to_all, broadcast, send_receive;
  // In the order of AllReduceLibrary, without NCCL.
  std::array<CollectiveModel<CustomAllReduceModel>, 3> engine_all_reduce;
  // In the order of multicasts().
  std::array<std::unique_ptr<const Multicast>, kMulticasts> multicasts;

  void set(MulticastAlgorithm algorithm, std::unique_ptr<const Multicast> kernels) {
    multicasts[static_cast<std::size_t>(algorithm)] = std::move(kernels);
  }
};
std::shared_ptr<const CollectiveModels> collective_models(const Device& device);

// How the device's model of that kind, implementation and variant is chosen: choose_fitted.h, else
// default_fit(). Throws as Fitted.
template <class M>
CollectiveModel<M> choose_model(const Device& device, std::string_view implementation,
                                std::string_view variant);
template <class M>
ThereAndBack<M> choose_both(const Device& device, std::string_view implementation);

// Figures of public tables for Hopper where a device has no fit: what stands in, with its doubt and
// its source (README.md). Empty where the kind is no collective's.
std::optional<FittedModel> default_fit(const Device& device, std::string_view kind,
                                       std::string_view implementation, std::string_view variant);

template <class M>
CollectiveModel<M> choose_model(const Device& device, std::string_view implementation,
                                std::string_view variant) {
  static_assert(CollectiveForms::contains<M>, "named in forms/all.h");
  const std::string kind(M::kKind);
  const std::string asked = std::string(implementation) + " " + std::string(variant);
  const Chosen chosen = choose_fitted(device, kind, implementation, variant);
  if (chosen.model != nullptr) {
    Fitted<M> fitted(*chosen.model, chosen.doubt);
    ModelUse use = fitted.use(kind, asked);
    return CollectiveModel<M>(std::move(fitted), std::move(use));
  }
  Fitted<M> fitted(*default_fit(device, kind, implementation, variant));
  ModelUse use = fitted.use(kind, asked);
  use.used = "defaults";
  use.unfitted = true;
  return CollectiveModel<M>(std::move(fitted), std::move(use));
}

template <class M>
ThereAndBack<M> choose_both(const Device& device, std::string_view implementation) {
  const auto of = [&](std::string_view variant) {
    return choose_model<M>(device, implementation, variant);
  };
  return {{of("dispatch"), of("dispatch_internode")}, {of("combine"), of("combine_internode")}};
}

}  // namespace moesim::hardware
