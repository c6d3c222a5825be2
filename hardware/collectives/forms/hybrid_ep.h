// HybridEP (a branch of DeepEP): rows go as by DeepEP's normal kernels, and take the same form. The
// tensor memory accelerator moves them, so that few multiprocessors do.
#pragma once

#include "hardware/collectives/forms/deepep_normal.h"

namespace moesim::hardware {

struct HybridEpModel : DeepEpNormalModel {
  static constexpr std::string_view kKind = "hybrid_ep";
  // Of its own: what bounds DeepEP's fits are figures of DeepEP.
  static std::span<const ParameterField<Parameters>> fields();
  static Parameters defaults(std::string_view variant);
  static constexpr std::string_view kDefaults =
      "HybridEP's public rows, docs/README_Hybrid-EP.md at 94a9f8f6";
};

}  // namespace moesim::hardware
