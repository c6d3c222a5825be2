#include "validation/calibrate/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "sim/error.h"
#include "sim/random.h"
#include "validation/cuda/protocol/layer_shape.h"

namespace moesim::validation {
namespace {

using cuda::PlanPoint;

// Rows an expert and experts with rows: each value within a factor of 2 of a level, or of 2.6.
constexpr std::array kRows{1, 4, 16, 64, 256, 1024, 4096};
constexpr std::array kUnseenRows{2, 9, 40, 130, 700, 2500};
constexpr std::array kActive{1, 4, 16, 64, 256};
constexpr std::array kUnseenActive{2, 9, 40, 120};
constexpr double kMostRows = 131072;  // of all groups of a point together
constexpr double kMostFlops = 6e13;   // a tenth of a second at 600 TFLOP/s

bool is_fp8(const std::string& impl) {
  return impl == "moesim_fp8";
}

// Bytes of an operand's element, the scales of fp8 blocks included.
double weight_bytes_of(const std::string& impl) {
  return is_fp8(impl) ? 1 + 4.0 / (128 * 128) : 2;
}

void set_gemm_cost(PlanPoint& p) {
  const double rows = p.rows(), n = p.n, k = p.k;
  const double a = is_fp8(p.impl) ? 1 + 4.0 / 128 : 2;
  p.flops = 2 * rows * n * k;
  p.bytes = std::round(p.active() * n * k * weight_bytes_of(p.impl) + rows * k * a + rows * n * 2);
}

void set_layer_cost(PlanPoint& p) {
  const double rows = p.rows(), h = p.hidden, i = p.inter;
  p.flops = 6 * rows * h * i;
  // Weights of the experts that have rows; logits; input and output.
  p.bytes = std::round(3 * p.active() * h * i * weight_bytes_of(p.impl) +
                       4.0 * p.tokens * p.experts + 4.0 * p.tokens * h);
}

// A grouped GEMM before it has an implementation.
struct Candidate {
  WeightShape shape;
  int rows = 0, active = 0;
};

// Distance in units of each direction's range, in logarithms.
double distance(const Candidate& a, const Candidate& b) {
  const auto part = [](double x, double y, double range) {
    return std::fabs(std::log(x / y)) / std::log(range);
  };
  const double d[] = {part(a.shape.n, b.shape.n, 300), part(a.shape.k, b.shape.k, 300),
                      part(a.rows, b.rows, 4096), part(a.active, b.active, 256)};
  double sum = 0;
  for (const double x : d) sum += x * x;
  return sum;
}

// Takes the farthest from all taken, time and again.
std::vector<Candidate> spread(const std::vector<Candidate>& pool, int count) {
  std::vector<Candidate> taken;
  std::vector<double> nearest(pool.size(), std::numeric_limits<double>::infinity());
  while (static_cast<int>(taken.size()) < count && taken.size() < pool.size()) {
    const auto next = std::max_element(nearest.begin(), nearest.end()) - nearest.begin();
    taken.push_back(pool[static_cast<std::size_t>(next)]);
    for (std::size_t i = 0; i < pool.size(); ++i) {
      nearest[i] = std::min(nearest[i], distance(pool[i], taken.back()));
    }
  }
  return taken;
}

template <std::size_t R, std::size_t A>
std::vector<Candidate> all_candidates(const std::vector<WeightShape>& shapes,
                                      const std::array<int, R>& rows,
                                      const std::array<int, A>& active,
                                      const PlanOptions& options) {
  std::vector<Candidate> pool;
  for (const WeightShape& shape : shapes) {
    for (const int r : rows) {
      for (const int a : active) {
        const double all = double{1} * r * a, values = double{1} * shape.n * shape.k;
        if (all > kMostRows || 2 * values * a > options.weight_bytes ||
            2 * all * values > kMostFlops) {
          continue;
        }
        pool.push_back({shape, r, a});
      }
    }
  }
  return pool;
}

// `total` rows over `groups`, group g in proportion to 1 / (g + 1): rounded so that they sum up.
std::vector<int> skewed_loads(int total, int groups) {
  double sum = 0;
  for (int g = 0; g < groups; ++g) sum += 1.0 / (g + 1);
  std::vector<int> loads;
  double ideal = 0;
  int given = 0;
  for (int g = 0; g < groups; ++g) {
    ideal += total / (sum * (g + 1));
    const int load = static_cast<int>(std::lround(ideal)) - given;
    loads.push_back(load);
    given += load;
  }
  return loads;
}

std::vector<int> even_loads(int each, int active, int idle) {
  std::vector<int> loads(static_cast<std::size_t>(active), each);
  loads.insert(loads.end(), static_cast<std::size_t>(idle), 0);
  return loads;
}

// What a router without preferences deals: every token takes top_k different experts.
std::vector<int> uniform_loads(const ExpertShape& m, int tokens, std::uint64_t seed) {
  sim::Random random(seed, fmt::format("calibrate/plan/{}/{}", m.model, tokens));
  std::vector<int> loads(static_cast<std::size_t>(m.experts), 0);
  for (int t = 0; t < tokens; ++t) {
    std::set<std::uint64_t> chosen;
    while (static_cast<int>(chosen.size()) < m.top_k) {
      chosen.insert(random.below(static_cast<std::uint64_t>(m.experts)));
    }
    for (const std::uint64_t e : chosen) ++loads[e];
  }
  return loads;
}

class Builder {
 public:
  explicit Builder(const PlanOptions& options) : options_(options) {
    for (const ExpertShape& m : options.models) {
      (m.model == options.holdout_model ? held_ : fitted_).push_back(m);
    }
    if (!options.holdout_model.empty() && held_.empty()) {
      std::string names;
      for (const ExpertShape& m : options.models) names += (names.empty() ? "" : ", ") + m.model;
      throw sim::ConfigError(
          fmt::format("the model to hold out, \"{}\", is not among those of the "
                      "plan: {}",
                      options.holdout_model, names));
    }
    if (fitted_.empty()) throw sim::ConfigError("a plan needs a model that is not held out");
  }

  cuda::Plan build() {
    grouped();
    layers();
    parts();
    ceilings();
    attention();
    transfers();
    memory();
    std::string models;
    for (const ExpertShape& m : options_.models) models += (models.empty() ? "" : ", ") + m.model;
    plan_.metadata = {{"format", "moesim plan 1"},
                      {"models", models},
                      {"holdout_model", options_.holdout_model},
                      {"seed", std::to_string(options_.seed)}};
    return std::move(plan_);
  }

 private:
  PlanPoint point(const std::string& prefix, const std::string& role, const std::string& op,
                  const std::string& impl, const std::string& detail) {
    PlanPoint p;
    p.id = fmt::format("{}-{:03}", prefix, ++numbers_[prefix]);
    p.role = role;
    p.op = op;
    p.impl = impl;
    p.dtype = is_fp8(impl) ? "fp8_block" : "bf16";
    p.detail = detail;
    return p;
  }

  void add_gemm(const std::string& prefix, const std::string& role, const std::string& impl,
                const WeightShape& shape, std::vector<int> loads, bool cold = true,
                const std::string& note = "") {
    // fp8 rows are multiples of 16 bytes in the tensors of engines; ours pads, and measures as
    // such.
    PlanPoint p =
        point(prefix, role, loads.size() == 1 ? "gemm" : "grouped_gemm", impl, shape.label + note);
    p.n = shape.n;
    p.k = shape.k;
    p.experts = static_cast<int>(loads.size());
    p.loads = std::move(loads);
    p.cold = cold;
    set_gemm_cost(p);
    plan_.points.push_back(std::move(p));
  }

  void grouped() {
    const std::vector<WeightShape> all = weight_shapes(options_.models, options_.tps);
    const std::vector<WeightShape> held = weight_shapes(held_, options_.tps);
    std::vector<WeightShape> open;  // shapes that the held-out model does not have
    for (const WeightShape& s : weight_shapes(fitted_, options_.tps)) {
      if (held.empty() || worst_ratio(std::span(&s, 1), held) > 1) open.push_back(s);
    }
    const std::vector<WeightShape> chosen = cover(open, all, options_.most_ratio);
    std::vector<WeightShape> unseen;
    for (const WeightShape& s : open) {
      if (worst_ratio(std::span(&s, 1), chosen) > 1) unseen.push_back(s);
    }

    // Every chosen shape once, so that the cover holds; then what fills the space.
    std::vector<Candidate> fit;
    const std::vector<Candidate> pool = all_candidates(chosen, kRows, kActive, options_);
    fit = spread(pool, options_.points);
    for (const WeightShape& shape : chosen) {
      const bool there = std::any_of(fit.begin(), fit.end(), [&](const Candidate& c) {
        return c.shape.n == shape.n && c.shape.k == shape.k;
      });
      if (!there) fit.push_back({shape, 64, 1});
    }
    const std::vector<Candidate> judge =
        spread(all_candidates(unseen, kUnseenRows, kUnseenActive, options_), options_.holdout);

    for (const std::string& impl : options_.implementations) {
      for (std::size_t i = 0; i < fit.size(); ++i) {
        const Candidate& c = fit[i];
        // Every sixth is skewed as 1 / rank; every third of the others has idle experts too.
        if (i % 6 == 5 && c.active > 1 && c.rows >= 4) {
          add_gemm("grouped", "fit", impl, c.shape, skewed_loads(c.rows * c.active, c.active), true,
                   " skewed");
        } else {
          const int idle = i % 3 == 2 && c.active > 1 && c.active < 128 ? c.active : 0;
          add_gemm("grouped", "fit", impl, c.shape, even_loads(c.rows, c.active, idle));
        }
      }
      for (const Candidate& c : judge) {
        add_gemm("unseen", "holdout", impl, c.shape, even_loads(c.rows, c.active, 0));
      }
      for (const ExpertShape& m : held_) {
        for (const int tokens : {16, 128, 1024, 8192}) {
          for (const WeightShape& s : weight_shapes(std::span(&m, 1), std::array{1, 4})) {
            if (2.0 * s.n * s.k * m.experts > options_.weight_bytes) continue;
            add_gemm("model", "holdout_model", impl, s, uniform_loads(m, tokens, options_.seed),
                     true, fmt::format(" {} tokens", tokens));
          }
        }
      }
    }
    // Yardsticks, and the same again from a warm cache.
    for (std::size_t i = 0; i < fit.size(); i += 4) {
      const std::vector<int> loads = even_loads(fit[i].rows, fit[i].active, 0);
      add_gemm("yardstick", "extra", "cublaslt", fit[i].shape, loads);
      if (i % 8 == 0 && loads.size() > 1) {
        add_gemm("yardstick", "extra", "cublas_grouped", fit[i].shape, loads);
      }
    }
    for (std::size_t i = 0; i < fit.size() && i < 10; ++i) {
      add_gemm("warm", "extra", options_.implementations.front(), fit[i].shape,
               even_loads(fit[i].rows, fit[i].active, 0), false);
    }
  }

  void layers() {
    for (const ExpertShape& m : options_.models) {
      const bool held = m.model == options_.holdout_model;
      // The least tp at which the experts fit.
      int tp = 1;
      while (tp < 8 && 6.0 * m.hidden * m.inter / tp * m.experts > options_.weight_bytes) tp *= 2;
      const int inter = m.inter / tp;
      if (m.inter % (8 * tp) != 0) continue;
      for (const int tokens : {16, 256, 4096, 64, 1024}) {
        if (!held && (tokens == 64 || tokens == 1024)) continue;
        for (const std::string& impl : options_.implementations) {
          PlanPoint p = point("layer", held ? "holdout_model" : "fit", "layer", impl,
                              fmt::format("{} tp{}", m.model, tp));
          p.tokens = tokens;
          p.top_k = m.top_k;
          p.experts = m.experts;
          p.hidden = m.hidden;
          p.inter = inter;
          p.loads = uniform_loads(m, tokens, options_.seed);
          set_layer_cost(p);
          plan_.points.push_back(std::move(p));
        }
      }
    }
  }

  void parts() {
    const ExpertShape& m =
        fitted_.back().experts > fitted_.front().experts ? fitted_.back() : fitted_.front();
    for (const int tokens : {16, 512, 8192}) {
      const double rows = double{1} * tokens * m.top_k, h = m.hidden, i = m.inter;
      const auto part = [&](const char* op, double bytes) {
        PlanPoint p = point(op, "fit", op, "moesim", m.model);
        p.tokens = tokens;
        p.top_k = m.top_k;
        p.experts = m.experts;
        p.hidden = m.hidden;
        p.inter = m.inter;
        p.bytes = std::round(bytes);
        plan_.points.push_back(std::move(p));
      };
      part("router", 4.0 * tokens * m.experts + 8 * rows);
      part("sort", 12 * rows);
      part("permute", 4 * rows * h);
      part("unpermute", 2 * rows * h + 2.0 * tokens * h);
      part("swiglu", 6 * rows * i);
      part("quantise", 3 * rows * h);
    }
  }

  void ceilings() {
    plan_.points.push_back(
        point("empty", "ceiling", "empty", "moesim", "kernel in a chain of 100"));
    const auto stream = [&](const char* role, const char* op, const char* impl, double bytes,
                            bool cold) {
      PlanPoint p = point(op, role, op, impl, fmt::format("{:g} MB", bytes / 1e6));
      p.bytes = bytes;
      p.cold = cold;
      plan_.points.push_back(std::move(p));
    };
    stream("ceiling", "copy", "moesim", 8'192'000'000, true);
    stream("ceiling", "copy", "cuda", 8'192'000'000, true);
    stream("ceiling", "read", "moesim", 8'192'000'000, true);
    // What the L2 gives, and how much it holds: the same buffer again and again.
    for (double megabytes = 1; megabytes <= 1024; megabytes *= 2) {
      stream("extra", "read", "moesim", megabytes * 1'048'576, false);
      if (megabytes <= 256) stream("extra", "copy", "moesim", megabytes * 1'048'576, false);
    }
    const WeightShape large{8192, 8192, "8192 cubed"};
    for (const std::string& impl : options_.implementations) {
      add_gemm("ceiling", "ceiling", impl, large, {8192});
    }
    add_gemm("ceiling", "ceiling", "cublaslt", large, {8192});
  }

  void attention() {
    // Grouped-query attention of 64 heads, 8 of the cache, and of 32 with 8: `tokens` sequences of
    // `k`.
    for (const auto& [batch, heads, length] :
         {std::array{1, 64, 32768}, std::array{16, 64, 4096}, std::array{64, 64, 2048},
          std::array{32, 32, 8192}}) {
      PlanPoint p =
          point("attention", "fit", "attention_decode", "moesim", "heads of 128, 8 cached");
      p.tokens = batch;
      p.top_k = heads;
      p.experts = 8;
      p.k = length;
      p.bytes = 2.0 * batch * 8 * length * 128 * 2;
      p.flops = 4.0 * batch * heads * length * 128;
      plan_.points.push_back(std::move(p));
    }
  }

  void transfers() {
    for (const char* op : {"h2d", "d2h", "p2p"}) {
      for (const double bytes : {65536.0, 1048576.0, 16777216.0, 268435456.0}) {
        PlanPoint p = point(op, "extra", op, "cuda", "pinned memory");
        p.bytes = bytes;
        p.cold = false;
        plan_.points.push_back(std::move(p));
      }
    }
    for (const int gpus : {2, 4, 8}) {
      for (const double bytes : {65536.0, 4194304.0, 268435456.0}) {
        PlanPoint p = point("a2a", "extra", "all_to_all", "nccl", fmt::format("{} GPUs", gpus));
        p.tokens = gpus;
        p.bytes = bytes;
        p.cold = false;
        plan_.points.push_back(std::move(p));
      }
    }
  }

  void memory() {
    const auto add = [&](const char* detail, double bytes) {
      PlanPoint p = point("memory", "extra", "memory", "cuda", detail);
      p.bytes = bytes;
      p.cold = false;
      plan_.points.push_back(std::move(p));
    };
    add("context", 0);
    add("cublas_handle", 0);
    add("graph", 0);
    for (const double bytes : {256.0, 65536.0, 1048576.0, 2097152.0, 3145728.0, 33554432.0}) {
      add("allocation", bytes);
    }
    for (const int tokens : {256, 8192}) {
      const ExpertShape& m = fitted_.front();
      PlanPoint p = point("memory", "extra", "memory", "moesim", "layer peak");
      p.tokens = tokens;
      p.top_k = m.top_k;
      p.experts = m.experts;
      p.hidden = m.hidden;
      p.inter = m.inter;
      p.cold = false;
      cuda::LayerShape shape;
      shape.rule.experts = m.experts;
      shape.rule.top_k = m.top_k;
      shape.tokens = tokens;
      shape.hidden = m.hidden;
      shape.inter = m.inter;
      p.bytes = static_cast<double>(cuda::layer_bytes(shape));
      plan_.points.push_back(std::move(p));
    }
  }

  const PlanOptions& options_;
  std::vector<ExpertShape> fitted_, held_;
  cuda::Plan plan_;
  std::map<std::string, int> numbers_;
};

}  // namespace

cuda::Plan make_plan(const PlanOptions& options) {
  return Builder(options).build();
}

Coverage coverage(const cuda::Plan& plan, const PlanOptions& options) {
  std::vector<WeightShape> fitted;
  std::set<double> rows, active;
  for (const PlanPoint& p : plan.points) {
    if (p.role != "fit" || (p.op != "gemm" && p.op != "grouped_gemm")) continue;
    fitted.push_back({p.n, p.k, ""});
    active.insert(p.active());
    rows.insert(p.rows() / std::max(1, p.active()));
  }
  const auto worst = [](const std::set<double>& levels, double last) {
    double most = 1;
    for (double x = 1; x <= last; x += 1) {
      double nearest = std::numeric_limits<double>::infinity();
      for (const double level : levels) nearest = std::min(nearest, std::max(x / level, level / x));
      most = std::max(most, nearest);
    }
    return most;
  };
  Coverage c;
  c.shapes = worst_ratio(weight_shapes(options.models, options.tps), fitted);
  c.rows = worst(rows, kRows.back());
  c.active = worst(active, kActive.back());
  return c;
}

}  // namespace moesim::validation
