#include "tools/report/pages/study_points.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "tools/report/number_text.h"

namespace moesim::tools {

using sim::io::Json;

namespace {

bool in_bytes(std::string_view measure) {
  return measure.ends_with("_bytes");
}

std::vector<std::string> keys_of(const Json& points, const char* kind) {
  std::vector<std::string> keys;
  for (const Json& point : points) {
    for (const auto& [key, value] : point.at(kind).items())
      if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
  }
  return keys;
}

}  // namespace

std::string short_number(double value) {
  const bool whole = value == std::floor(value) && std::abs(value) < 1e7;
  const bool large = std::abs(value) >= 1e4 && std::abs(value) < 1e9;
  return whole || large ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

std::string measured_text(std::string_view measure, double value) {
  if (in_bytes(measure)) return bytes_text(value);
  const std::string_view name = measure.substr(0, measure.find('.'));
  return name.ends_with("_us") ? time_text(value) : short_number(value);
}
double on_axis(std::string_view measure, double value) {
  return in_bytes(measure) ? value * 1e-9 : value;
}
std::string axis_name(const std::string& measure) {
  return in_bytes(measure) ? measure + ", GB" : measure;
}

bool by_factors(double low, double high) {
  constexpr double kWide = 20;
  return low > 0 && high / low > kWide;
}

std::string cell(const Json& value) {
  if (value.is_number()) return short_number(value.get<double>());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

bool less_is_better(std::string_view measure) {
  return measure.find("_us") != std::string_view::npos ||
         measure.find("_ms") != std::string_view::npos ||
         measure.find("bytes") != std::string_view::npos ||
         measure.find("cost") != std::string_view::npos;
}

StudyPoints::StudyPoints(const Json& report)
    : points_(report.at("points")), in_study_(report.value("points_in_study", points_.size())) {
  const std::vector<std::string> params = keys_of(points_, "params");
  // In the order in which they were asked for.
  const std::vector<std::string> there = keys_of(points_, "metrics");
  const auto asked = report.at("study").at("measure").get<std::vector<std::string>>();
  for (const std::string& name : asked)
    if (std::ranges::find(there, name) != there.end()) measures_.push_back(name);
  // What has more than one value, and of numbers the first to draw over.
  for (const std::string& key : params) {
    std::set<std::string> values;
    bool numbers = true;
    for (const Json& point : points_) {
      const Json value = point.at("params").value(key, Json());
      values.insert(value.dump());
      numbers = numbers && value.is_number();
    }
    if (values.size() < 2) continue;
    varied_.push_back(key);
    if (numbers && over_.empty()) over_ = key;
  }
}

bool StudyPoints::done(const Json& point) {
  return point.at("status") == "done";
}

bool StudyPoints::ran(const Json& point) {
  return done(point) || point.at("status") == "infeasible";
}

const Json* StudyPoints::best(const std::string& measure) const {
  const Json* best = nullptr;
  for (const Json& point : points_) {
    if (!done(point) || !point.at("metrics").contains(measure)) continue;
    const auto value = [&](const Json& p) { return p.at("metrics").at(measure).get<double>(); };
    if (best == nullptr ||
        (less_is_better(measure) ? value(point) < value(*best) : value(point) > value(*best)))
      best = &point;
  }
  return best;
}

std::string StudyPoints::place(const Json& point) const {
  std::string text;
  for (const std::string& key : varied_)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key,
                        cell(point.at("params").value(key, Json())));
  return text;
}

}  // namespace moesim::tools
