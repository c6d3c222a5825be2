#include <fmt/format.h>

#include <cmath>
#include <set>
#include <tuple>

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

namespace {

// One of a layer's small kernels. What it reads was written by the kernel before, so it is measured
// warm; what is larger than the L2 comes from memory all the same.
void add_part(PlanWriter& writer, const char* role, const char* op, const ExpertShape& m,
              int tokens, double bytes) {
  PlanPoint p = writer.point(op, role, op, "moesim", m.model);
  p.tokens = tokens;
  p.top_k = m.top_k;
  p.experts = m.experts;
  p.hidden = m.hidden;
  p.inter = m.inter;
  p.bytes = std::round(bytes);
  p.cold = false;
  writer.add(std::move(p));
}

void add_routing(PlanWriter& writer, const char* role, const ExpertShape& m, int tokens) {
  const double rows = double{1} * tokens * m.top_k, h = m.hidden;
  add_part(writer, role, "router", m, tokens, 4.0 * tokens * m.experts + 8 * rows);
  add_part(writer, role, "permute", m, tokens, 4 * rows * h);
  add_part(writer, role, "unpermute", m, tokens, 2 * rows * h + 2.0 * tokens * h);
}

}  // namespace

void plan_parts(PlanWriter& writer, const PlanOptions& options, const PlanModels& models) {
  std::set<std::tuple<int, int, int>> known;
  for (const ExpertShape& shape : options.models) {
    if (!known.emplace(shape.hidden, shape.experts, shape.top_k).second) continue;
    ExpertShape m = shape;
    m.inter = 0;  // none of these asks for it
    const bool held = shape.model == options.holdout_model;
    for (const int tokens : {1, 16, 128, 1024, 8192}) {
      add_routing(writer, held ? "holdout_model" : "fit", m, tokens);
    }
  }
  const ExpertShape &first = models.fitted.front(), &last = models.fitted.back();
  const ExpertShape& m = last.experts > first.experts ? last : first;
  for (const int tokens : {48, 400, 3000}) {
    ExpertShape unseen = m;
    unseen.inter = 0;
    add_routing(writer, "holdout", unseen, tokens);
  }
  for (const int tokens : {16, 512, 8192}) {
    const double rows = double{1} * tokens * m.top_k, h = m.hidden, i = m.inter;
    add_part(writer, "extra", "sort", m, tokens, 12 * rows);
    add_part(writer, "extra", "swiglu", m, tokens, 6 * rows * i);
    add_part(writer, "extra", "quantise", m, tokens, 3 * rows * h);
  }
}

}  // namespace moesim::validation
