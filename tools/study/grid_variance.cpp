#include "tools/study/grid_variance.h"

#include <functional>
#include <numeric>

#include "sim/check.h"

namespace moesim::tools {

GridVariance grid_variance(std::span<const std::size_t> sizes, std::span<const double> results) {
  SIM_CHECK(std::accumulate(sizes.begin(), sizes.end(), std::size_t{1}, std::multiplies<>()) ==
                results.size(),
            "a result for each point of the grid");
  const auto count = static_cast<double>(results.size());
  GridVariance found;
  found.mean = std::accumulate(results.begin(), results.end(), 0.0) / count;
  for (const double r : results) found.variance += (r - found.mean) * (r - found.mean) / count;
  std::size_t stride = results.size();
  for (const std::size_t size : sizes) {
    stride /= size;
    GridFactor factor{.means = std::vector<double>(size)};
    double within = 0;
    for (std::size_t i = 0; i < results.size(); ++i) {
      factor.means[i / stride % size] += results[i] * static_cast<double>(size) / count;
      // The line of points that differ in this factor alone, once each.
      if (i / stride % size != 0) continue;
      double mean = 0;
      for (std::size_t v = 0; v < size; ++v)
        mean += results[i + v * stride] / static_cast<double>(size);
      for (std::size_t v = 0; v < size; ++v) {
        const double off = results[i + v * stride] - mean;
        within += off * off / count;
      }
    }
    double between = 0;
    for (const double mean : factor.means)
      between += (mean - found.mean) * (mean - found.mean) / static_cast<double>(size);
    if (found.variance > 0) {
      factor.alone = between / found.variance;
      factor.with_all = within / found.variance;
    }
    found.factors.push_back(std::move(factor));
  }
  return found;
}

}  // namespace moesim::tools
