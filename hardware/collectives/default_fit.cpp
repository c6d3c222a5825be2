#include <limits>

#include "hardware/collectives/forms/all.h"
#include "hardware/collectives/models.h"

namespace moesim::hardware {
namespace {

// What a time by these figures may be off by: half of what unfitted network constants are off by in
// the published cases (README.md). The outer two by a normal error in the logarithm.
constexpr Interval kDoubted{.p05 = 0.812, .p10 = 0.85, .p90 = 1.2, .p95 = 1.264};

}  // namespace

std::optional<FittedModel> default_fit(const Device& device, std::string_view kind,
                                       std::string_view implementation, std::string_view variant) {
  std::optional<FittedModel> model;
  CollectiveForms::for_each([&]<class M>() {
    if (kind != M::kKind) return;
    model.emplace();
    const typename M::Parameters p = M::defaults(variant);
    for (const auto& f : M::fields()) model->parameters[std::string(f.name)] = p.*f.member;
    // They were fitted on nothing that they could lie beyond: their doubt is all there is to say.
    for (const std::string_view axis : axis_names<M>())
      model->valid[std::string(axis)] = {0, std::numeric_limits<double>::max()};
    model->provenance = {.origin = Origin::Extrapolated, .source = std::string(M::kDefaults)};
  });
  if (!model) return {};
  model->kind = kind;
  model->implementation = implementation;
  model->variant = variant;
  model->interval[""] = kDoubted;
  if (!device.generation.empty() && device.generation != "hopper") {
    model->carried_from = "Hopper";
    model->other_generation = true;
  }
  return model;
}

}  // namespace moesim::hardware
