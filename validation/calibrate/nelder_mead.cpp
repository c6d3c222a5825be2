#include "validation/calibrate/nelder_mead.h"

#include <algorithm>
#include <cmath>

namespace moesim::validation {
namespace {

struct Vertex {
  std::vector<double> x;
  double value = 0;
};

// a + t (b - a)
std::vector<double> along(const std::vector<double>& a, const std::vector<double>& b, double t) {
  std::vector<double> x(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) x[i] = a[i] + t * (b[i] - a[i]);
  return x;
}

class Simplex {
 public:
  Simplex(const Objective& f, int budget) : f_(f), budget_(budget) {}

  Minimum run(const std::vector<double>& start, double step, double tolerance) {
    build(start, step);
    while (used_ < budget_) {
      sort();
      if (vertices_.back().value - vertices_.front().value <= tolerance) break;
      advance();
    }
    sort();
    return {.x = vertices_.front().x, .value = vertices_.front().value, .evaluations = used_};
  }

 private:
  double evaluate(const std::vector<double>& x) {
    ++used_;
    const double value = f_(x);
    return std::isfinite(value) ? value : 1e300;
  }

  void build(const std::vector<double>& start, double step) {
    vertices_.clear();
    vertices_.push_back({start, evaluate(start)});
    for (std::size_t i = 0; i < start.size(); ++i) {
      std::vector<double> x = start;
      x[i] += i % 2 == 0 ? step : -step;
      const double value = evaluate(x);
      vertices_.push_back({std::move(x), value});
    }
  }

  // Stable: equal values keep their order, so that a run repeats.
  void sort() { std::ranges::stable_sort(vertices_, {}, &Vertex::value); }

  void advance() {
    const double n = static_cast<double>(vertices_.size() - 1);
    const double expand = 1 + 2 / n, contract = 0.75 - 1 / (2 * n), shrink = 1 - 1 / n;
    Vertex& worst = vertices_.back();
    const double second = vertices_[vertices_.size() - 2].value;
    std::vector<double> centre(worst.x.size(), 0);
    for (std::size_t v = 0; v + 1 < vertices_.size(); ++v)
      for (std::size_t i = 0; i < centre.size(); ++i) centre[i] += vertices_[v].x[i] / n;
    const auto attempt = [&](double t) {
      std::vector<double> x = along(centre, worst.x, t);
      const double value = evaluate(x);
      return Vertex{std::move(x), value};
    };
    Vertex reflected = attempt(-1);
    if (reflected.value < vertices_.front().value) {
      Vertex expanded = attempt(-expand);
      worst = expanded.value < reflected.value ? std::move(expanded) : std::move(reflected);
    } else if (reflected.value < second) {
      worst = std::move(reflected);
    } else {
      const bool outside = reflected.value < worst.value;
      Vertex contracted = attempt(outside ? -contract : contract);
      if (contracted.value < std::min(reflected.value, worst.value)) {
        worst = std::move(contracted);
        return;
      }
      for (std::size_t v = 1; v < vertices_.size(); ++v) {
        vertices_[v].x = along(vertices_[0].x, vertices_[v].x, shrink);
        vertices_[v].value = evaluate(vertices_[v].x);
      }
    }
  }

  const Objective& f_;
  int budget_;
  int used_ = 0;
  std::vector<Vertex> vertices_;
};

}  // namespace

Minimum minimise(const Objective& f, std::vector<double> start, const SimplexOptions& options) {
  Minimum best{.x = std::move(start), .value = 0, .evaluations = 0};
  double step = options.step;
  int used = 0;
  for (int round = 0; round <= options.restarts && used < options.evaluations; ++round) {
    const int budget = (options.evaluations - used) / (options.restarts - round + 1);
    Minimum found = Simplex(f, budget).run(best.x, step, options.tolerance);
    used += found.evaluations;
    best = std::move(found);
    step /= 2;
  }
  best.evaluations = used;
  return best;
}

}  // namespace moesim::validation
