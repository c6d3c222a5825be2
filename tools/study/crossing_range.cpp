#include "tools/study/crossing_range.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "tools/study/doubt.h"
#include "tools/study/sobol_sequence.h"
#include "tools/study/study_spec.h"
#include "validation/confidence.h"

namespace moesim::tools {
namespace {

constexpr std::uint32_t kDraws = 512;  // a power of two: even
constexpr int kHalvings = 20;

// The variant that a key names, and what it names there.
std::pair<std::string, std::string_view> parted(const AskedValue& asked, std::string_view key) {
  if (asked.reports.contains("")) return {"", key};
  const std::size_t dot = key.find('.');
  if (dot == std::string_view::npos) return {std::string(key), ""};
  return {std::string(key.substr(0, dot)), key.substr(dot + 1)};
}

// Between two values, in the logarithm where it can be.
Value between(const Value& a, const Value& b, double part) {
  const auto x = number_of(a), y = number_of(b);
  if (!x || !y || *x == *y) return a;
  const double middle = *x > 0 && *y > 0 ? *x * std::pow(*y / *x, part) : *x + part * (*y - *x);
  if (const auto* quantity = std::get_if<Quantity>(&a))
    return Quantity{.number = middle, .dimension = quantity->dimension};
  return middle;
}

class Drawn {
 public:
  Drawn(const std::map<double, AskedValue>& asked, const Expression& condition)
      : condition_(condition) {
    for (const auto& [value, one] : asked) {
      Point point{.value = value, .asked = &one};
      for (const auto& [name, report] : one.reports)
        if (const auto doubt = Doubt::of(report)) point.doubts.emplace(name, *doubt);
      points_.push_back(std::move(point));
    }
  }

  bool says_doubts() const {
    return std::ranges::all_of(points_, [](const Point& p) {
      return !p.asked->fits || p.doubts.size() == p.asked->reports.size();
    });
  }

  // Where it changes to what it is after the crossing, next to that; infinite where it does not.
  double change(const Crossing& crossing, const Doubt::Draw& draw) const {
    std::vector<bool> holds;
    for (const Point& p : points_) holds.push_back(p.asked->fits && at(p, p, 0, draw));
    const double middle = std::log(crossing.before * crossing.after) / 2;
    double best = std::numeric_limits<double>::infinity();
    if (holds.front() == crossing.holds_after && holds.back() == crossing.holds_after)
      best = -best;  // it changed before all that was asked
    bool found = false;
    for (std::size_t i = 1; i < points_.size(); ++i) {
      if (holds[i] == holds[i - 1] || holds[i] != crossing.holds_after) continue;
      const double where = std::log(change_between(points_[i - 1], points_[i], holds[i], draw));
      if (!found || std::abs(where - middle) < std::abs(best - middle)) best = where;
      found = true;
    }
    return std::exp(best);
  }

 private:
  struct Point {
    double value = 0;
    const AskedValue* asked = nullptr;
    std::map<std::string, Doubt> doubts = {};
  };

  std::optional<Value> moved(const Point& p, std::string_view key, const Doubt::Draw& draw) const {
    auto said = value_in(*p.asked, key);
    const Moves moves = moves_of(key);
    if (!said || moves == Moves::Not) return said;
    const auto number = number_of(*said);
    const auto doubt = p.doubts.find(parted(*p.asked, key).first);
    if (!number || doubt == p.doubts.end()) return said;
    const double scale = doubt->second.scale(draw);
    return moves == Moves::WithTime ? *number * scale : *number / scale;
  }

  bool at(const Point& from, const Point& to, double part, const Doubt::Draw& draw) const {
    return condition_.holds([&](std::string_view key) -> std::optional<Value> {
      auto a = moved(from, key, draw);
      if (part == 0 || !a) return a;
      const auto b = moved(to, key, draw);
      return b ? between(*a, *b, part) : a;
    });
  }

  double change_between(const Point& from, const Point& to, bool after,
                        const Doubt::Draw& draw) const {
    if (!from.asked->fits || !to.asked->fits) return to.asked->fits ? to.value : from.value;
    double low = 0, high = 1;
    for (int i = 0; i < kHalvings; ++i) {
      const double middle = (low + high) / 2;
      (at(from, to, middle, draw) == after ? high : low) = middle;
    }
    return from.value * std::pow(to.value / from.value, high);
  }

  const Expression& condition_;
  std::vector<Point> points_;  // ascending
};

}  // namespace

std::optional<Value> value_in(const AskedValue& asked, std::string_view key) {
  const auto [name, rest] = parted(asked, key);
  const auto found = asked.reports.find(name);
  if (found == asked.reports.end() || rest.empty()) return {};
  return find_value(found->second, rest);
}

std::optional<CrossingRange> range_of(const Crossing& crossing,
                                      const std::map<double, AskedValue>& asked,
                                      const Expression& condition) {
  const std::vector<std::string> keys = condition.keys();
  if (std::ranges::all_of(keys, [](const auto& key) { return moves_of(key) == Moves::Not; }))
    return {};
  const auto fits = [&](double value) {
    const auto found = asked.find(value);
    return found == asked.end() || found->second.fits;
  };
  if (!fits(crossing.before) || !fits(crossing.after)) return {};
  const Drawn drawn(asked, condition);
  if (!drawn.says_doubts()) return {};
  SobolSequence points(workloads::kFactors + 1, 1);
  std::vector<double> places;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    std::vector<double> normal = points.next();
    // Of 0 there is no quantile: the middle of what a draw stands for.
    for (double& u : normal) u = validation::normal_quantile(std::max(u, 0.5 / kDraws));
    Doubt::Draw draw;
    std::copy_n(normal.begin(), workloads::kFactors, draw.models.begin());
    draw.structure = normal.back();
    places.push_back(drawn.change(crossing, draw));
  }
  std::ranges::sort(places);
  const auto end = [&](double part) -> std::optional<double> {
    const double place = places[static_cast<std::size_t>(std::lround(part * (kDraws - 1)))];
    if (!std::isfinite(place) || place == 0) return {};
    return place;
  };
  return CrossingRange{.low = end(0.1), .high = end(0.9)};
}

}  // namespace moesim::tools
