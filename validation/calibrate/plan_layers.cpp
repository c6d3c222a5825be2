#include <fmt/format.h>

#include <cmath>

#include "validation/calibrate/plan_loads.h"
#include "validation/calibrate/plan_sections.h"

namespace moesim::validation {

using cuda::PlanPoint;

void plan_layers(PlanWriter& writer, const PlanOptions& options, const PlanModels& models) {
  for (const ExpertShape& m : options.models) {
    const bool held = !models.held.empty() && m.model == models.held.front().model;
    int tp = 1;
    while (tp < 8 && 6.0 * m.hidden * m.inter / tp * m.experts > options.weight_bytes) tp *= 2;
    const int inter = m.inter / tp;
    if (m.inter % (8 * tp) != 0) continue;
    for (const int tokens : {16, 256, 4096, 64, 1024}) {
      if (!held && (tokens == 64 || tokens == 1024)) continue;
      for (const std::string& impl : options.implementations) {
        PlanPoint p = writer.point("layer", held ? "holdout_model" : "fit", "layer", impl,
                                   fmt::format("{} tp{}", m.model, tp));
        p.tokens = tokens;
        p.top_k = m.top_k;
        p.experts = m.experts;
        p.hidden = m.hidden;
        p.inter = inter;
        p.loads = router_loads(m, tokens, 1, options.seed);
        const double rows = p.rows(), h = p.hidden, i = p.inter;
        p.flops = 6 * rows * h * i;
        // Weights of the experts that have rows; logits; input and output.
        p.bytes = std::round(3 * p.active() * h * i * bytes_of_weight(impl) +
                             4.0 * tokens * p.experts + 4.0 * tokens * h);
        writer.add(std::move(p));
      }
    }
  }
}

void plan_parts(PlanWriter& writer, const PlanModels& models) {
  const ExpertShape &first = models.fitted.front(), &last = models.fitted.back();
  const ExpertShape& m = last.experts > first.experts ? last : first;
  for (const int tokens : {16, 512, 8192}) {
    const double rows = double{1} * tokens * m.top_k, h = m.hidden, i = m.inter;
    const auto part = [&](const char* op, double bytes) {
      PlanPoint p = writer.point(op, "fit", op, "moesim", m.model);
      p.tokens = tokens;
      p.top_k = m.top_k;
      p.experts = m.experts;
      p.hidden = m.hidden;
      p.inter = m.inter;
      p.bytes = std::round(bytes);
      writer.add(std::move(p));
    };
    part("router", 4.0 * tokens * m.experts + 8 * rows);
    part("sort", 12 * rows);
    part("permute", 4 * rows * h);
    part("unpermute", 2 * rows * h + 2.0 * tokens * h);
    part("swiglu", 6 * rows * i);
    part("quantise", 3 * rows * h);
  }
}

}  // namespace moesim::validation
