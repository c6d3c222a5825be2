// The rows of a table that one cost model answers for: one kind, implementation and variant on one
// device. Fitting and comparing know a task, and not what its model is about.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/kernels/fitted.h"

namespace moesim::validation {

struct ParameterInfo {
  std::string_view name;
  double initial = 0, least = 0, most = 0;  // above zero
};

struct Item {
  std::size_t row = 0;     // of the table
  std::size_t line = 0;    // of the file
  double measured_us = 0;  // zero where the table does not say
  // What a hold-out holds out: a row is in it when any of these is. Shapes, models, node counts.
  std::vector<std::string> groups;
  // The same where those are too few to hold one out: layouts of a model.
  std::vector<std::string> finer = {};
  bool anomalous = false;  // flagged by the table: not fitted on, and reported apart
  // Slower than rows that ask for no less, by a rule of ours: not fitted on, and reported as all.
  bool screened = false;
  // Words of the row that are not known, and what they were read as: not fitted on.
  std::string guess = {};
};

class Task {
 public:
  Task(std::string kind, std::string implementation, std::string variant)
      : kind_(std::move(kind)),
        implementation_(std::move(implementation)),
        variant_(std::move(variant)) {}
  virtual ~Task() = default;

  const std::string& kind() const { return kind_; }
  const std::string& implementation() const { return implementation_; }
  const std::string& variant() const { return variant_; }
  std::span<const Item> items() const { return items_; }

  // Whether an item may be fitted on.
  bool usable(std::size_t item) const {
    const Item& i = items_[item];
    return i.measured_us > 0 && !i.anomalous && !i.screened && i.guess.empty();
  }

  // Measured rows that a fit without a prior takes: of formulas with up to 17 parameters.
  virtual std::int64_t least_points() const { return 24; }
  // Whether it is made of other models' kernels, with nothing of its own to fit or to choose.
  virtual bool composed() const { return false; }
  virtual std::span<const ParameterInfo> parameters() const = 0;
  // The formula alone, without a residual table. Parameters are in the order of parameters().
  virtual double model_us(std::size_t item, std::span<const double> parameters) const = 0;
  virtual double least_us(std::size_t item) const = 0;
  virtual std::string_view regime(std::size_t item) const = 0;
  virtual std::vector<std::string_view> feature_names() const = 0;
  // Those of them that are counts and that no hold-out leaves out.
  virtual std::vector<std::string_view> counted_features() const = 0;
  virtual std::vector<double> features(std::size_t item) const = 0;
  // All axes of the shapes, the features first: what a fit is told to have seen.
  virtual std::vector<std::string_view> axis_names() const = 0;
  virtual std::vector<double> axes(std::size_t item) const = 0;
  virtual std::vector<std::vector<double>> knots() const = 0;
  // `doubt`: of a model that stands in for another implementation (hardware/choose_fitted.h).
  virtual std::vector<hardware::Estimate> estimates(const hardware::FittedModel& model,
                                                    double doubt) const = 0;

 protected:
  std::string kind_, implementation_, variant_;
  std::vector<Item> items_;
};

// A task over a cost model M of hardware/kernels/fitted.h.
template <class M>
class ModelTask : public Task {
 public:
  ModelTask(std::string kind, std::string implementation, std::string variant,
            const hardware::Rates& rates)
      : Task(std::move(kind), std::move(implementation), std::move(variant)), rates_(rates) {}

  // An optional parameter is one of the task's from the first shape on that tells of it, by itself
  // or beside the first of all.
  void add(Item item, typename M::Shape shape) {
    std::size_t at = 0;  // in the order of the fields
    for (const auto& f : M::fields()) {
      const bool known = at < info_.size() && info_[at].name == f.name;
      if (!known && (f.optional ? tells(f.name, shape) : shapes_.empty()))
        info_.insert(info_.begin() + static_cast<std::ptrdiff_t>(at),
                     {f.name, f.initial, f.least, most_of(f, shape)});
      else if (!known)
        continue;
      ++at;
    }
    items_.push_back(std::move(item));
    shapes_.push_back(std::move(shape));
  }

  std::int64_t least_points() const override {
    if constexpr (requires { M::kLeastPoints; })
      return M::kLeastPoints;
    else
      return Task::least_points();
  }
  std::span<const ParameterInfo> parameters() const override { return info_; }
  double model_us(std::size_t item, std::span<const double> parameters) const override {
    typename M::Parameters p;
    std::size_t i = 0;
    for (const auto& f : M::fields()) {
      const bool searched = i < info_.size() && info_[i].name == f.name;
      p.*f.member = searched ? parameters[i++] : f.initial;
    }
    return M::us(shapes_[item], rates_, p);
  }
  double least_us(std::size_t item) const override { return M::least_us(shapes_[item], rates_); }
  std::string_view regime(std::size_t item) const override {
    return M::regime(shapes_[item], rates_);
  }
  std::vector<std::string_view> feature_names() const override {
    return {M::kFeatures.begin(), M::kFeatures.end()};
  }
  std::vector<std::string_view> counted_features() const override {
    if constexpr (requires { M::kCounted; })
      return {M::kCounted.begin(), M::kCounted.end()};
    else
      return {};
  }
  std::vector<double> features(std::size_t item) const override {
    const auto f = M::features(shapes_[item]);
    return {f.begin(), f.end()};
  }
  std::vector<std::string_view> axis_names() const override { return hardware::axis_names<M>(); }
  std::vector<double> axes(std::size_t item) const override {
    const auto axes = hardware::axes_of<M>(shapes_[item]);
    return {axes.begin(), axes.end()};
  }
  std::vector<std::vector<double>> knots() const override { return M::knots(); }
  std::vector<hardware::Estimate> estimates(const hardware::FittedModel& model,
                                            double doubt) const override {
    const hardware::Fitted<M> fitted(model, doubt);
    std::vector<hardware::Estimate> result;
    result.reserve(shapes_.size());
    for (const auto& shape : shapes_) result.push_back(fitted.estimate(shape, rates_));
    return result;
  }

 private:
  template <class Field>
  static double most_of(const Field& field, const typename M::Shape& shape) {
    if constexpr (requires { M::most(field, shape); })
      return M::most(field, shape);
    else
      return field.most;
  }
  bool tells(std::string_view parameter, const typename M::Shape& shape) const {
    if constexpr (requires { M::tells(parameter, shape, shape); })
      return M::tells(parameter, shape, shapes_.empty() ? shape : shapes_.front());
    else if constexpr (requires { M::tells(parameter, shape); })
      return M::tells(parameter, shape);
    else
      return false;
  }

  hardware::Rates rates_;
  std::vector<typename M::Shape> shapes_;
  std::vector<ParameterInfo> info_;
};

}  // namespace moesim::validation
