#include <algorithm>
#include <cmath>

#include "validation/cuda/protocol/check_support.h"

namespace moesim::validation::cuda {
namespace {

// How many of a token's experts are not those of the reference. Floats may order two choices the
// other way that are closer than a float can tell; true ties go to the lower expert.
int wrong_choices(const Chosen& expected, std::span<const int> ids, bool ties) {
  int wrong = 0;
  for (std::size_t k = 0; k < ids.size(); ++k) {
    const int id = ids[k], best = expected.ids[k];
    if (id == best) continue;
    const auto none = static_cast<int>(expected.choice.size());
    if (ties || id < 0 || id >= none ||
        std::find(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(k), id) !=
            ids.begin() + static_cast<std::ptrdiff_t>(k) ||
        !(std::fabs(expected.choice[at(best)] - expected.choice[at(id)]) <= 1e-6)) {
      ++wrong;
    }
  }
  return wrong;
}

}  // namespace

int compare_routing(const RouterRule& rule, const Chosen& expected, std::span<const int> ids,
                    std::span<const float> weights, bool ties, RelativeError& error) {
  const int wrong = wrong_choices(expected, ids, ties);
  const std::vector<double> own =
      wrong > 0 ? expected.weights : reference_weights(rule, expected.score, ids);
  for (std::size_t k = 0; k < ids.size(); ++k) error.add(weights[k], own[k]);
  return wrong;
}

Check check_router(Machine& machine, const RouterCase& c, std::uint64_t seed) {
  const RouterRule& rule = c.rule;
  Check check{"router " + product({c.tokens, rule.experts}) + " top " + std::to_string(rule.top_k) +
                  (rule.sigmoid ? " sigmoid" : " softmax") + (c.bias ? " bias" : "") +
                  (c.ties ? " ties" : "") +
                  (rule.groups > 1 ? " groups " + std::to_string(rule.groups) : ""),
              0,
              1e-5,
              0,
              "",
              ""};
  std::vector<float> logits = random_float(seed, at(c.tokens) * at(rule.experts));
  if (c.ties) {
    for (float& l : logits) l = std::floor(l);
  }
  const std::vector<float> bias =
      c.bias ? random_float(seed + 1, at(rule.experts), 0.1) : std::vector<float>();
  const Buffer<float> device_logits(machine, logits), device_bias(machine, bias);
  const std::size_t count = at(c.tokens) * at(rule.top_k);
  Buffer<int> ids(machine, count + kGuard);
  Buffer<float> weights(machine, count + kGuard);
  ids.poison();
  weights.poison();
  RouterArgs args;
  args.logits = device_logits.data();
  args.bias = c.bias ? device_bias.data() : nullptr;
  args.ids = ids.data();
  args.weights = weights.data();
  args.tokens = c.tokens;
  args.experts = rule.experts;
  args.top_k = rule.top_k;
  args.sigmoid = rule.sigmoid;
  args.groups = rule.groups;
  args.top_groups = rule.top_groups;
  args.normalise = rule.normalise;
  args.scale = static_cast<float>(rule.scale);
  if (!attempt(machine, args, check)) return check;

  const std::vector<int> out_ids = ids.read();
  const std::vector<float> out_weights = weights.read();
  RelativeError error;
  int wrong = 0;
  const std::size_t experts = at(rule.experts), top_k = at(rule.top_k);
  for (std::size_t t = 0; t < at(c.tokens); ++t) {
    const Chosen expected =
        reference_router(rule, std::span(logits).subspan(t * experts, experts), bias);
    wrong += compare_routing(rule, expected, std::span(out_ids).subspan(t * top_k, top_k),
                             std::span(out_weights).subspan(t * top_k, top_k), c.ties, error);
  }
  check.error = error.value();
  check.compared = error.count();
  look_beyond(check, ids, count);
  look_beyond(check, weights, count);
  if (wrong > 0) check.trouble = std::to_string(wrong) + " experts are not the best";
  return check;
}

Check check_sort(Machine& machine, const SortCase& c, std::uint64_t seed) {
  Check check{"sort " + product({c.tokens, c.top_k}) + " to " + std::to_string(c.experts) + " of " +
                  std::to_string(c.all_experts),
              0,
              0,
              0,
              "",
              ""};
  std::vector<int> ids(at(c.tokens) * at(c.top_k));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    // Squared: the low experts get most, some of the high ones none.
    const double u = static_cast<double>(hash_bits(seed, i) >> 11) * 0x1p-53;
    ids[i] = static_cast<int>(u * u * c.all_experts);
  }
  const Sorted expected = reference_sort(ids, c.top_k, c.first, c.experts);
  const Buffer<int> device_ids(machine, ids);
  Buffer<int> counts(
      machine, at(ceil_div(std::max(1, c.tokens * c.top_k), kSelectionsPerChunk)) * at(c.experts));
  Buffer<int> offsets(machine, at(c.experts) + 1 + kGuard);
  Buffer<int> row_of(machine, ids.size() + kGuard), token_of(machine, ids.size() + kGuard);
  for (Buffer<int>* buffer : {&counts, &offsets, &row_of, &token_of}) buffer->poison();
  if (!attempt(machine,
               SortArgs{device_ids.data(), c.tokens, c.top_k, c.first, c.experts, counts.data(),
                        offsets.data(), row_of.data(), token_of.data()},
               check)) {
    return check;
  }
  count_unequal(check, offsets.read(), expected.offsets);
  count_unequal(check, row_of.read(), expected.row_of);
  count_unequal(check, token_of.read(), expected.token_of);
  look_beyond(check, offsets, at(c.experts) + 1);
  look_beyond(check, row_of, ids.size());
  look_beyond(check, token_of, expected.token_of.size());
  return check;
}

}  // namespace moesim::validation::cuda
