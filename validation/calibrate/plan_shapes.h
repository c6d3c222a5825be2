// The weight matrices that tensor-parallel shards of mixture models have, and a few that stand for
// all of them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "workloads/model/model_spec.h"

namespace moesim::validation {

// One mixture layer of a model.
struct ExpertShape {
  std::string model;
  int hidden = 0, inter = 0, experts = 0, top_k = 0;
};

// Of the model's largest mixture layer. Throws ConfigError "X has no mixture layer".
ExpertShape expert_shape(const workloads::ModelSpec& model);

// One expert's weights [n, k] in bf16, and where they are from.
struct WeightShape {
  int n = 0, k = 0;
  std::string label;  // "Mixtral-8x7B tp2 gate_up"
};

// gate and up [2 inter / tp, hidden], and down [hidden, inter / tp], for each tp that divides inter
// into multiples of 8; each pair once, in the order of the models.
std::vector<WeightShape> weight_shapes(std::span<const ExpertShape> models,
                                       std::span<const int> tps);

// How many experts one GPU holds: of each model, its experts / ep for each ep that divides them;
// ascending, each once. Throws ConfigError where no ep divides any model's.
std::vector<int> expert_counts(std::span<const ExpertShape> models, std::span<const int> eps);

// How far two shapes are apart: the larger of the ratios of n and of k, at least 1.
double ratio(const WeightShape& a, const WeightShape& b);

// The ratio to the nearest of `chosen`, of the shape that is worst off.
double worst_ratio(std::span<const WeightShape> shapes, std::span<const WeightShape> chosen);

// As few of `candidates` as make worst_ratio(shapes, …) at most `most`: the one farthest from all
// chosen is taken next (Gonzalez 1985), so the number is at most the optimum for half the distance.
// Throws ConfigError where all of them are not enough.
std::vector<WeightShape> cover(std::span<const WeightShape> candidates,
                               std::span<const WeightShape> shapes, double most);

}  // namespace moesim::validation
