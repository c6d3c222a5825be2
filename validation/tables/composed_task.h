// A task whose prices are sums of kernels that other tables are fitted on: nothing of its own is
// searched.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "validation/calibrate/task.h"
#include "workloads/step/work.h"

namespace moesim::validation {

class ComposedTask : public Task {
 public:
  using Task::Task;
  void add(Item item, const hardware::Estimate& estimate) {
    items_.push_back(std::move(item));
    estimates_.push_back(estimate);
  }

  bool composed() const override { return true; }
  std::span<const ParameterInfo> parameters() const override { return {}; }
  double model_us(std::size_t item, std::span<const double>) const override {
    return estimates_[item].us;
  }
  double least_us(std::size_t) const override { return 0; }
  std::string_view regime(std::size_t) const override { return "all"; }
  std::vector<std::string_view> feature_names() const override { return {}; }
  std::vector<std::string_view> counted_features() const override { return {}; }
  std::vector<double> features(std::size_t) const override { return {}; }
  std::vector<std::string_view> axis_names() const override { return {}; }
  std::vector<double> axes(std::size_t) const override { return {}; }
  std::vector<std::vector<double>> knots() const override { return {}; }
  std::vector<hardware::Estimate> estimates(const hardware::FittedModel&, double) const override {
    return estimates_;
  }

 private:
  std::vector<hardware::Estimate> estimates_;
};

// `beside_us`: beside the kernels; it is as far off as they are.
inline hardware::Estimate estimate_of(const workloads::Work& work, double beside_us = 0) {
  const auto ps = static_cast<double>(work.time.count());
  return {.us = sim::to_us(work.time) + beside_us,
          .low = work.low_ps / ps,
          .high = work.high_ps / ps,
          .p10 = work.p10_ps / ps,
          .p90 = work.p90_ps / ps,
          .extrapolated = work.extrapolated() > sim::Duration{}};
}

}  // namespace moesim::validation
