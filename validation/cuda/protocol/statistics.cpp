#include "validation/cuda/protocol/statistics.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "validation/cuda/device/numbers.h"

namespace moesim::validation::cuda {

double percentile(std::vector<double> samples, double share) {
  std::sort(samples.begin(), samples.end());
  const double place = share * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, samples.size() - 1);
  return samples[below] + (place - static_cast<double>(below)) * (samples[above] - samples[below]);
}

std::vector<std::size_t> shuffled(std::size_t count, std::uint64_t seed) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = count; i > 1; --i) {  // Fisher and Yates; the bias of % is below 2^-50 here
    std::swap(order[i - 1], order[hash_bits(seed, i) % i]);
  }
  return order;
}

}  // namespace moesim::validation::cuda
