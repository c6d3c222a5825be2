#include "tools/study/executor.h"

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

class PointRunner {
 public:
  PointRunner(const StudySpec& spec, const SweepOptions& options, std::set<std::string> begun)
      : spec_(spec), options_(options), begun_(std::move(begun)) {}

  Ended run(std::uint64_t ord, Assignments params) {
    Ended ended{.point = {.ord = ord, .params = std::move(params)}};
    Point& point = ended.point;
    try {
      workloads::Scenario scenario =
          workloads::load_scenario(spec_.base, overrides_of(spec_, point.params), options_.shipped);
      scenario.deployment.routing.cache = options_.traces;
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

  std::uint64_t taken_over() const { return taken_over_; }

 private:
  bool begin(const std::string& id) {
    const std::lock_guard lock(mutex_);
    return begun_.insert(id).second;
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
  std::mutex mutex_;
  std::set<std::string> begun_;  // ids
  std::uint64_t taken_over_ = 0;
};

struct Todo {
  std::uint64_t ord = 0;
  Assignments params;
};

void count(const std::vector<Point>& points, const StudySpec& spec, SweepCounts& counts) {
  std::set<std::string> measured;
  for (const Point& point : points) {
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
  }
  for (const std::string& measure : spec.measures) {
    if (counts.done + counts.infeasible > 0 && !measured.contains(measure))
      counts.unmeasured.push_back(measure);
  }
}

}  // namespace

SweepCounts sweep(const StudySpec& spec, Store& store, const SweepOptions& options) {
  SweepCounts counts;
  const BaseValues base(spec, options.shipped);
  const Lookup lookup = base.lookup();
  const std::set<std::uint64_t> there = store.ords();
  std::vector<Todo> todo;
  std::uint64_t all = 0;
  for (std::uint64_t ord = 0; ord < spec.size(); ++ord) {
    if (ord % options.shards != options.shard) continue;
    Assignments params = complete(spec, assignments_of(spec, ord), lookup);
    if (!tools::counts(spec, params, lookup)) {
      ++counts.left_out;
      continue;
    }
    ++all;
    if (!there.contains(ord)) todo.push_back({ord, std::move(params)});
  }

  std::set<std::string> ids;
  for (const Point& point : store.points()) ids.insert(point.id);
  PointRunner runner(spec, options, std::move(ids));
  std::uint64_t done = all - todo.size();
  const auto add = [&](const Point& point) {
    store.add(point);
    ++done;
    if (options.progress) options.progress(done, all);
  };
  std::vector<Point> again;  // their runs may not have ended yet
  sim::in_order(
      options.jobs, todo.size(),
      [&](std::size_t, std::size_t i) -> std::optional<Ended> {
        if (options.stop && options.stop()) return {};
        return runner.run(todo[i].ord, todo[i].params);
      },
      [&](std::size_t, std::optional<Ended> ended) {
        if (!ended) return;
        if (ended->again)
          again.push_back(std::move(ended->point));
        else
          add(ended->point);
      });
  for (Point& point : again) {
    if (const auto first = store.find(point.id)) {
      take_over(spec, *first, point);
      add(point);
    }
  }
  counts.taken_over = runner.taken_over();
  counts.stopped = done < all;
  count(store.points(), spec, counts);
  return counts;
}

}  // namespace moesim::tools
