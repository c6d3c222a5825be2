// The points of a study as its page has them: what varied, what was measured, which is best.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/io/json.h"

namespace moesim::tools {

std::string short_number(double value);
// A parameter's or a measure's value as a cell of a table.
std::string cell(const sim::io::Json& value);

// A measure as it is read, and its axis: bytes by thousand millions.
std::string measured_text(std::string_view measure, double value);
double on_axis(std::string_view measure, double value);
std::string axis_name(const std::string& measure);
// Whether an axis from one to the other is by factors: so wide that steps by a factor lie evenly.
bool by_factors(double low, double high);

// "step_time_us.mean": less is better of times and bytes, more of rates.
bool less_is_better(std::string_view measure);

class StudyPoints {
 public:
  // `report`: what moesim sweep export prints; it must outlive this.
  explicit StudyPoints(const sim::io::Json& report);

  const sim::io::Json& points() const { return points_; }
  std::uint64_t in_study() const { return in_study_; }  // those that are not in the store, too
  // Measures in the order in which they were asked for; parameters with more than one value.
  const std::vector<std::string>& measures() const { return measures_; }
  const std::vector<std::string>& varied() const { return varied_; }
  // The parameter that charts are drawn over; empty where none is of numbers.
  const std::string& over() const { return over_; }

  static bool done(const sim::io::Json& point);
  static bool ran(const sim::io::Json& point);  // done, or found not to fit

  // Of points that are done, the best by that measure; null where none has it.
  const sim::io::Json* best(const std::string& measure) const;
  // What a point's parameters are, of those that vary.
  std::string place(const sim::io::Json& point) const;

 private:
  const sim::io::Json& points_;
  std::uint64_t in_study_;
  std::vector<std::string> measures_, varied_;
  std::string over_;
};

}  // namespace moesim::tools
