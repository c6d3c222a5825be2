#include "tools/study/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "sim/workers.h"
#include "tools/study/point_id.h"
#include "tools/study/study_inputs.h"
#include "workloads/run.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

std::vector<std::string> overrides_of(const StudySpec& spec, const Assignments& params) {
  std::vector<std::string> all = spec.sets;
  for (const auto& [key, value] : params) all.push_back(key + "=" + value);
  return all;
}

// What the base scenario says of keys that no axis sets, defaults included.
class BaseValues {
 public:
  BaseValues(const StudySpec& spec, const workloads::Shipped& shipped) {
    try {
      json_ = workloads::resolved(workloads::load_scenario(spec.base, spec.sets, shipped));
    } catch (const sim::ConfigError& error) {
      mistake_ = error.what();  // it may be whole only with what the axes set
    }
  }
  Lookup lookup() const {
    return [this](std::string_view key) -> std::optional<Value> {
      if (!mistake_.empty()) throw sim::ConfigError(mistake_);
      return find_value(json_, key);
    };
  }

 private:
  Json json_;
  std::string mistake_;
};

// A point as it ended; or one whose run another point has: that one's result is its own.
struct Ended {
  Point point;
  bool again = false;
};

void measure(const StudySpec& spec, const Json& report, Point& point) {
  for (const std::string& name : spec.measures) {
    const auto value = find_value(report, name);
    const auto number = value ? number_of(*value) : std::nullopt;
    if (number) point.metrics.emplace_back(name, *number);
  }
  std::ranges::sort(point.metrics);
}

// The result that a point with the same id has.
void take_over(const StudySpec& spec, const Point& from, Point& point) {
  point.status = from.status;
  point.reason = from.reason;
  point.report = from.report;
  if (!point.report.empty())
    measure(spec, sim::io::parse_json(point.report, "the report of " + point.id), point);
}

// Plays points on any thread, and keeps them. Holds no more than those that are being played.
class PointRunner {
 public:
  PointRunner(const StudySpec& spec, const SweepOptions& options, Store& store)
      : spec_(spec), options_(options), store_(store), inputs_(options.shipped, options.traces) {}

  Ended run(std::uint64_t ord, Assignments params) {
    Ended ended{.point = {.ord = ord, .params = std::move(params)}};
    Point& point = ended.point;
    try {
      const workloads::Scenario scenario =
          inputs_.load(spec_.base, overrides_of(spec_, point.params));
      point.id = point_id(scenario, options_.version);
      ended.again = !begin(point.id);
      if (!ended.again && !is_known(point)) play(scenario, point);
    } catch (const sim::ConfigError& error) {
      end(point, PointStatus::Invalid, error.what());
    } catch (const sim::InfeasibleError& error) {
      end(point, PointStatus::Infeasible, error.what());
    } catch (const std::bad_alloc&) {
      end(point, PointStatus::Failed, "out of memory");
    } catch (const std::exception& error) {
      end(point, PointStatus::Failed, error.what());
    }
    return ended;
  }

  void keep(const Point& point) {
    const std::lock_guard lock(mutex_);
    store_.add(point);
    begun_.erase(point.id);
  }
  // A point whose run another has: false where that one has not ended.
  bool keep_again(Point& point) {
    const std::lock_guard lock(mutex_);
    const auto first = store_.find(point.id);
    if (!first) return false;
    take_over(spec_, *first, point);
    store_.add(point);
    return true;
  }

  std::uint64_t taken_over() const { return taken_over_; }

 private:
  bool begin(const std::string& id) {
    const std::lock_guard lock(mutex_);
    return !store_.has(id) && begun_.insert(id).second;
  }

  bool is_known(Point& point) {
    const std::lock_guard lock(mutex_);
    for (const Store* store : options_.known) {
      const auto found = store->find(point.id);
      if (!found) continue;
      take_over(spec_, *found, point);
      ++taken_over_;
      return true;
    }
    return false;
  }

  void play(const workloads::Scenario& scenario, Point& point) const {
    const workloads::RunResult result = workloads::run(scenario);
    const Json json = workloads::to_json(result, scenario);
    point.report = json.dump();
    measure(spec_, json, point);
    if (!result.report.memory.fits)
      end(point, PointStatus::Infeasible, result.report.memory.advice);
  }

  void end(Point& point, PointStatus status, const std::string& reason) const {
    point.status = status;
    point.reason = reason;
    if (!point.id.empty()) return;
    std::string params;
    for (const std::string& text : overrides_of(spec_, point.params)) params += text + "\n";
    point.id = point_id_of_invalid(spec_.base.filename().string(), params, options_.version);
  }

  const StudySpec& spec_;
  const SweepOptions& options_;
  Store& store_;
  StudyInputs inputs_;
  std::mutex mutex_;             // of the stores, and of what follows
  std::set<std::string> begun_;  // ids that no store has yet
  std::uint64_t taken_over_ = 0;
};

void count(const Store& store, const StudySpec& spec, SweepCounts& counts) {
  std::set<std::string> measured;
  store.each([&](const Point& point) {
    switch (point.status) {
      case PointStatus::Done:
        ++counts.done;
        break;
      case PointStatus::Infeasible:
        ++counts.infeasible;
        break;
      case PointStatus::Invalid:
        ++counts.invalid;
        break;
      case PointStatus::Failed:
        ++counts.failed;
    }
    for (const auto& [name, value] : point.metrics) measured.insert(name);
  });
  for (const std::string& measure : spec.measures) {
    if (counts.done + counts.infeasible > 0 && !measured.contains(measure))
      counts.unmeasured.push_back(measure);
  }
}

}  // namespace

void check_points(const StudySpec& spec, const SweepOptions& options) {
  const BaseValues base(spec, options.shipped);
  const Lookup lookup = base.lookup();
  StudyInputs inputs(options.shipped, options.traces);
  std::uint64_t counted = 0;
  std::optional<std::string> mistake;  // of all points so far
  bool differ = false;
  for (std::uint64_t ord = 0; ord < spec.size() && !(options.stop && options.stop()); ++ord) {
    const Assignments params = complete(spec, assignments_of(spec, ord), lookup);
    if (!counts(spec, params, lookup)) continue;
    ++counted;
    if (differ) continue;
    std::string reason;
    try {
      inputs.load(spec.base, overrides_of(spec, params));
    } catch (const sim::ConfigError& error) {
      reason = error.what();
    } catch (const std::exception&) {  // of this point alone, which its row will say
    }
    differ = reason.empty() || reason != mistake.value_or(reason);
    mistake = reason;
  }
  if (options.stop && options.stop()) return;
  if (counted == 0)
    throw sim::ConfigError(fmt::format("no point of {} meets the conditions", spec.size()));
  if (!differ)
    throw sim::ConfigError(
        fmt::format("no point of {} can be played, all for one reason: {}", counted, *mistake));
}

SweepCounts sweep(const StudySpec& spec, Store& store, const SweepOptions& options) {
  SweepCounts counts;
  const BaseValues base(spec, options.shipped);
  const Lookup lookup = base.lookup();
  const auto params_of = [&](std::uint64_t ord) {
    return complete(spec, assignments_of(spec, ord), lookup);
  };
  const std::vector<std::uint64_t> there = store.ords();
  std::vector<std::uint64_t> todo;
  std::uint64_t all = 0;
  for (std::uint64_t ord = 0; ord < spec.size(); ++ord) {
    if (ord % options.shards != options.shard) continue;
    if (!tools::counts(spec, params_of(ord), lookup)) {
      ++counts.left_out;
      continue;
    }
    ++all;
    if (!std::ranges::binary_search(there, ord)) todo.push_back(ord);
  }

  PointRunner runner(spec, options, store);
  std::uint64_t done = all - todo.size();
  const auto kept = [&] {
    ++done;
    if (options.progress) options.progress(done, all);
  };
  std::vector<Point> again;  // their runs had not ended
  sim::in_order(
      options.jobs, todo.size(),
      [&](std::size_t, std::size_t i) -> std::optional<Ended> {
        if (options.stop && options.stop()) return {};
        return runner.run(todo[i], params_of(todo[i]));
      },
      [&](std::size_t, std::optional<Ended> ended) {
        if (!ended) return;
        if (!ended->again) {
          runner.keep(ended->point);
        } else if (!runner.keep_again(ended->point)) {
          again.push_back(std::move(ended->point));
          return;
        }
        kept();
      });
  for (Point& point : again)
    if (runner.keep_again(point)) kept();
  counts.taken_over = runner.taken_over();
  counts.stopped = done < all;
  count(store, spec, counts);
  return counts;
}

}  // namespace moesim::tools
