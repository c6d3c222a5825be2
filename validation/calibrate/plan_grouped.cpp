#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "validation/calibrate/plan_loads.h"
#include "validation/calibrate/plan_sections.h"
#include "validation/calibrate/plan_space.h"

namespace moesim::validation {
namespace {

// The shapes to fit on, and those that judge: neither has one of the model that is held out.
struct Chosen {
  std::vector<WeightShape> fitted, unseen;
};

Chosen choose_shapes(const PlanOptions& options, const PlanModels& models) {
  const std::vector<WeightShape> held = weight_shapes(models.held, options.tps);
  std::vector<WeightShape> open;
  for (const WeightShape& s : weight_shapes(models.fitted, options.tps)) {
    if (held.empty() || worst_ratio(std::span(&s, 1), held) > 1) open.push_back(s);
  }
  Chosen chosen;
  chosen.fitted = cover(open, weight_shapes(options.models, options.tps), options.most_ratio);
  for (const WeightShape& s : open) {
    if (worst_ratio(std::span(&s, 1), chosen.fitted) > 1) chosen.unseen.push_back(s);
  }
  return chosen;
}

// What fills the space, and every shape at least once, so that the cover holds.
std::vector<Candidate> choose_fit(const std::vector<WeightShape>& shapes, int most_experts,
                                  const PlanOptions& options) {
  std::vector<Candidate> fit =
      spread(candidates(shapes, fitted_levels(most_experts), options.weight_bytes), options.points);
  for (const WeightShape& shape : shapes) {
    const bool there = std::any_of(fit.begin(), fit.end(), [&](const Candidate& c) {
      return c.shape.n == shape.n && c.shape.k == shape.k;
    });
    if (!there) fit.push_back({shape, 64, 1});
  }
  return fit;
}

// Of every six: three even, one even with idle experts beside, one dealt as a router deals, one
// skewed as 1 / rank. Idle ones make up the next larger number that a GPU of the models holds.
void add_fit(PlanWriter& writer, const Candidate& c, std::size_t number, const std::string& impl,
             const std::vector<int>& counts, std::uint64_t seed) {
  const auto larger = std::upper_bound(counts.begin(), counts.end(), c.active);
  const bool several = c.active > 1 && larger != counts.end();
  const int groups = several ? *larger : c.active;
  PlanWriter::Gemm gemm{"grouped", "fit", impl, c.shape, even_loads(c.rows, c.active, 0), true, ""};
  if (number % 6 == 5 && c.active > 1 && c.rows >= 4) {
    gemm.loads = skewed_loads(c.rows * c.active, c.active);
    gemm.note = " skewed";
  } else if (number % 6 == 2 && several) {
    gemm.loads = dealt_loads(c.rows * c.active, groups, seed, std::to_string(number));
    gemm.note = " dealt";
  } else if (number % 3 == 2 && several) {
    gemm.loads = even_loads(c.rows, c.active, groups - c.active);
  }
  writer.add_gemm(std::move(gemm));
}

// The held-out model on one GPU alone at tp 1 and 4, and with its experts over 8 GPUs.
void add_held_model(PlanWriter& writer, const ExpertShape& m, const std::string& impl,
                    const PlanOptions& options) {
  const auto add = [&](int tokens, int tp, int ep) {
    for (const WeightShape& s : weight_shapes(std::span(&m, 1), std::span(&tp, 1))) {
      if (2.0 * s.n * s.k * m.experts / ep > options.weight_bytes) continue;
      writer.add_gemm(
          {"model", "holdout_model", impl, s, router_loads(m, tokens, ep, options.seed), true,
           fmt::format("{} {} tokens", ep > 1 ? fmt::format(" ep{}", ep) : "", tokens)});
    }
  };
  for (const int tokens : {16, 128, 1024, 8192}) {
    for (const int tp : {1, 4}) add(tokens, tp, 1);
  }
  const bool spread_out = std::find(options.eps.begin(), options.eps.end(), 8) != options.eps.end();
  if (spread_out && m.experts % 8 == 0) {
    for (const int tokens : {16, 1024}) add(tokens, 1, 8);
  }
}

}  // namespace

void plan_grouped(PlanWriter& writer, const PlanOptions& options, const PlanModels& models) {
  const std::vector<int> counts = expert_counts(options.models, options.eps);
  const Chosen chosen = choose_shapes(options, models);
  const std::vector<Candidate> fit = choose_fit(chosen.fitted, counts.back(), options);
  const std::vector<Candidate> judge =
      spread(candidates(chosen.unseen, unseen_levels(counts.back()), options.weight_bytes),
             options.holdout);
  for (const std::string& impl : options.implementations) {
    for (std::size_t i = 0; i < fit.size(); ++i) {
      add_fit(writer, fit[i], i, impl, counts, options.seed);
    }
    for (const Candidate& c : judge) {
      writer.add_gemm(
          {"unseen", "holdout", impl, c.shape, even_loads(c.rows, c.active, 0), true, ""});
    }
    for (const ExpertShape& m : models.held) add_held_model(writer, m, impl, options);
  }
  for (std::size_t i = 0; i < fit.size(); i += 4) {
    const std::vector<int> loads = even_loads(fit[i].rows, fit[i].active, 0);
    writer.add_gemm({"yardstick", "extra", "cublaslt", fit[i].shape, loads, true, ""});
    if (i % 8 == 0 && loads.size() > 1) {
      writer.add_gemm({"yardstick", "extra", "cublas_grouped", fit[i].shape, loads, true, ""});
    }
  }
  for (std::size_t i = 0; i < fit.size() && i < 10; ++i) {
    writer.add_gemm({"warm", "extra", options.implementations.front(), fit[i].shape,
                     even_loads(fit[i].rows, fit[i].active, 0), false, ""});
  }
}

}  // namespace moesim::validation
