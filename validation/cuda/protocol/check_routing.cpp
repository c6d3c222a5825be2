#include <algorithm>
#include <cmath>

#include "validation/cuda/protocol/check_support.h"

namespace moesim::validation::cuda {

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
  for (int t = 0; t < c.tokens; ++t) {
    const Chosen expected = reference_router(
        rule, std::span(logits).subspan(at(t) * at(rule.experts), at(rule.experts)), bias);
    for (int k = 0; k < rule.top_k; ++k) {
      const std::size_t place = at(t) * at(rule.top_k) + at(k);
      const int id = out_ids[place], best = expected.ids[at(k)];
      if (id < 0 || id >= rule.experts) {
        ++wrong;
      } else if (id != best) {
        // Floats may order two choices the other way that are closer than a float can tell.
        const double gap = expected.choice[at(best)] - expected.choice[at(id)];
        if (c.ties || !(std::fabs(gap) <= 1e-6)) ++wrong;
      }
      error.add(out_weights[place], expected.weights[at(k)]);
    }
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
