#include "validation/cuda/reference/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

namespace moesim::validation::cuda {

double RelativeError::value() const {
  if (norm_ == 0) return difference_ == 0 ? 0 : std::numeric_limits<double>::infinity();
  return std::sqrt(difference_ / norm_);
}

Chosen reference_router(const RouterRule& rule, std::span<const float> logits,
                        std::span<const float> bias) {
  const auto experts = static_cast<std::size_t>(rule.experts);
  std::vector<double> score(experts);
  if (rule.sigmoid) {
    for (std::size_t e = 0; e < experts; ++e) score[e] = 1 / (1 + std::exp(-double{logits[e]}));
  } else {
    const double highest = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (std::size_t e = 0; e < experts; ++e) sum += score[e] = std::exp(logits[e] - highest);
    for (double& s : score) s /= sum;
  }
  Chosen chosen;
  chosen.choice = score;
  for (std::size_t e = 0; e < experts && !bias.empty(); ++e) {
    // The kernel chooses on floats: equal floats must stay equal here.
    chosen.choice[e] = static_cast<float>(score[e]) + bias[e];
  }
  if (rule.groups > 1) {
    const std::size_t size = experts / static_cast<std::size_t>(rule.groups);
    std::vector<std::pair<double, int>> best;
    for (int g = 0; g < rule.groups; ++g) {
      std::vector<double> inside(
          chosen.choice.begin() + static_cast<std::ptrdiff_t>(size) * g,
          chosen.choice.begin() + static_cast<std::ptrdiff_t>(size) * (g + 1));
      std::sort(inside.begin(), inside.end(), std::greater<>());
      best.emplace_back(-(size > 1 ? inside[0] + inside[1] : inside[0]), g);
    }
    std::sort(best.begin(), best.end());
    for (std::size_t i = static_cast<std::size_t>(rule.top_groups); i < best.size(); ++i) {
      const auto first = static_cast<std::size_t>(best[i].second) * size;
      for (std::size_t e = first; e < first + size; ++e) {
        chosen.choice[e] = -std::numeric_limits<double>::infinity();
      }
    }
  }
  std::vector<int> order(experts);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return chosen.choice[static_cast<std::size_t>(a)] > chosen.choice[static_cast<std::size_t>(b)];
  });
  chosen.ids.assign(order.begin(), order.begin() + rule.top_k);
  chosen.weights = reference_weights(rule, score, chosen.ids);
  chosen.score = std::move(score);
  return chosen;
}

std::vector<double> reference_weights(const RouterRule& rule, std::span<const double> score,
                                      std::span<const int> ids) {
  std::vector<double> weights;
  double total = 0;
  for (const int id : ids) {
    weights.push_back(score[static_cast<std::size_t>(id)]);
    total += weights.back();
  }
  for (double& weight : weights) weight = (rule.normalise ? weight / total : weight) * rule.scale;
  return weights;
}

Sorted reference_sort(std::span<const int> ids, int top_k, int first, int experts) {
  Sorted sorted;
  sorted.offsets.assign(static_cast<std::size_t>(experts) + 1, 0);
  const auto local = [&](int id) { return id >= first && id < first + experts; };
  for (const int id : ids) {
    if (local(id)) ++sorted.offsets[static_cast<std::size_t>(id - first) + 1];
  }
  std::partial_sum(sorted.offsets.begin(), sorted.offsets.end(), sorted.offsets.begin());
  std::vector<int> next(sorted.offsets.begin(), sorted.offsets.end() - 1);
  sorted.token_of.resize(static_cast<std::size_t>(sorted.offsets.back()));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!local(ids[i])) {
      sorted.row_of.push_back(-1);
      continue;
    }
    const int row = next[static_cast<std::size_t>(ids[i] - first)]++;
    sorted.row_of.push_back(row);
    sorted.token_of[static_cast<std::size_t>(row)] = static_cast<int>(i) / top_k;
  }
  return sorted;
}

double reference_swiglu(double gate, double up) {
  return gate / (1 + std::exp(-gate)) * up;
}

double reference_dot(std::span<const Bf16> a, std::span<const Bf16> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{to_float(a[i])} * to_float(b[i]);
  return sum;
}

Quantised reference_quantise(std::span<const Bf16> rows, int row_count, int k, int k_stride) {
  const int blocks = ceil_div(k, kScaleBlock);
  Quantised result;
  result.codes.assign(static_cast<std::size_t>(row_count) * static_cast<std::size_t>(k_stride),
                      {0});
  result.scales.assign(static_cast<std::size_t>(row_count) * static_cast<std::size_t>(blocks), 0);
  for (int r = 0; r < row_count; ++r) {
    for (int b = 0; b < blocks; ++b) {
      const int begin = b * kScaleBlock, end = std::min(k, begin + kScaleBlock);
      const auto at = [&](int i) {
        return to_float(rows[static_cast<std::size_t>(r) * static_cast<std::size_t>(k) +
                             static_cast<std::size_t>(i)]);
      };
      float largest = 0;
      for (int i = begin; i < end; ++i) largest = std::max(largest, std::fabs(at(i)));
      const float scale = largest > 0 ? largest / kFp8Max : 1.0f;
      const float inverse = 1.0f / scale;
      result.scales[static_cast<std::size_t>(b) * static_cast<std::size_t>(row_count) +
                    static_cast<std::size_t>(r)] = scale;
      for (int i = begin; i < end; ++i) {
        result.codes[static_cast<std::size_t>(r) * static_cast<std::size_t>(k_stride) +
                     static_cast<std::size_t>(i)] = to_fp8(at(i) * inverse);
      }
    }
  }
  return result;
}

std::vector<double> reference_attention(std::span<const Bf16> query, std::span<const Bf16> keys,
                                        std::span<const Bf16> values) {
  const std::size_t dim = query.size(), length = keys.size() / dim;
  std::vector<double> score(length);
  for (std::size_t i = 0; i < length; ++i) {
    score[i] =
        reference_dot(query, keys.subspan(i * dim, dim)) / std::sqrt(static_cast<double>(dim));
  }
  const double highest = *std::max_element(score.begin(), score.end());
  double total = 0;
  std::vector<double> out(dim, 0.0);
  for (std::size_t i = 0; i < length; ++i) {
    const double weight = std::exp(score[i] - highest);
    total += weight;
    for (std::size_t d = 0; d < dim; ++d) out[d] += weight * to_float(values[i * dim + d]);
  }
  for (double& value : out) value /= total;
  return out;
}

namespace {

// values[i] = make(i), by all processors where that pays.
template <class Value, class Make>
std::vector<Value> made(std::size_t count, const Make& make) {
  std::vector<Value> values(count);
  constexpr std::size_t kWorthAThread = std::size_t{1} << 20;
  const std::size_t most = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t parts = std::clamp<std::size_t>(count / kWorthAThread, 1, most);
  const auto fill = [&](std::size_t part) {
    for (std::size_t i = count * part / parts; i < count * (part + 1) / parts; ++i) {
      values[i] = make(i);
    }
  };
  std::vector<std::jthread> others;
  for (std::size_t part = 1; part < parts; ++part) others.emplace_back(fill, part);
  fill(0);
  others.clear();
  return values;
}

}  // namespace

std::vector<Bf16> random_bf16(std::uint64_t seed, std::size_t count, double scale) {
  return made<Bf16>(count, [=](std::size_t i) {
    return to_bf16(static_cast<float>(scale) * hash_normal(seed, i));
  });
}

std::vector<float> random_float(std::uint64_t seed, std::size_t count, double scale) {
  return made<float>(
      count, [=](std::size_t i) { return static_cast<float>(scale) * hash_normal(seed, i); });
}

}  // namespace moesim::validation::cuda
