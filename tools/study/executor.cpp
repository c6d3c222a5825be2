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
  Point point = {};
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

// What a call throws is how the point ended.
template <class Call>
void end_by(Point& point, Call call) {
  const auto end = [&](PointStatus status, const char* reason) {
    point.status = status;
    point.reason = reason;
  };
  try {
    call();
  } catch (const sim::ConfigError& error) {
    end(PointStatus::Invalid, error.what());
  } catch (const sim::InfeasibleError& error) {
    end(PointStatus::Infeasible, error.what());
  } catch (const std::bad_alloc&) {
    end(PointStatus::Failed, "out of memory");
  } catch (const std::exception& error) {
    end(PointStatus::Failed, error.what());
  }
}

// Returns the report, which the point has as text.
Json play(const workloads::Scenario& scenario, Point& point) {
  const workloads::RunResult result = workloads::run(scenario);
  Json json = workloads::to_json(result, scenario);
  point.report = json.dump();
  if (!result.report.memory.fits) {
    point.status = PointStatus::Infeasible;
    point.reason = result.report.memory.advice;
  }
  return json;
}

// Plays points on any thread, and keeps them. Holds no more than those that are being played.
class PointRunner {
 public:
  PointRunner(const StudySpec& spec, const SweepOptions& options, Store& store)
      : spec_(spec), options_(options), store_(store), inputs_(options.shipped, options.traces) {}

  Ended run(std::size_t thread, std::uint64_t ord, Assignments params) {
    Ended ended{.point = {.ord = ord, .params = std::move(params)}};
    Point& point = ended.point;
    const PointRun asked{spec_.base, overrides_of(spec_, point.params)};
    std::optional<workloads::Scenario> scenario;
    end_by(point, [&] {
      scenario = inputs_.load(asked.base, asked.overrides);
      point.id = point_id(*scenario, options_.version);
    });
    if (point.id.empty()) {  // it is no scenario
      std::string params_text;
      for (const std::string& text : asked.overrides) params_text += text + "\n";
      point.id = point_id_of_invalid(spec_.base.filename().string(), params_text, options_.version);
      return ended;
    }
    ended.again = !begin(point.id);
    if (ended.again || is_known(point)) return ended;
    if (options_.play) {
      play_elsewhere(thread, asked, point);
    } else {
      end_by(point, [&] { measure(spec_, play(*scenario, point), point); });
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

  void play_elsewhere(std::size_t thread, const PointRun& asked, Point& point) const {
    const Point played = options_.play(thread, asked);
    if (played.id != point.id) {
      throw sim::Error(
          sim::ExitCode::Failed,
          fmt::format("point {}: who played it has other files or another version than who asked: "
                      "{} there, {} here",
                      point.ord, played.id.empty() ? played.reason : played.id, point.id));
    }
    take_over(spec_, played, point);
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

Point play_point(const PointRun& run, StudyInputs& inputs, const std::string& version) {
  Point point;
  end_by(point, [&] {
    const workloads::Scenario scenario = inputs.load(run.base, run.overrides);
    point.id = point_id(scenario, version);
    play(scenario, point);
  });
  return point;
}

std::uint64_t check_points(const StudySpec& spec, const SweepOptions& options) {
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
    } catch (const std::exception&) {
      // Of this point alone, which its row will say.
    }
    differ = reason.empty() || reason != mistake.value_or(reason);
    mistake = reason;
  }
  if (options.stop && options.stop()) return counted;
  if (counted == 0)
    throw sim::ConfigError(fmt::format("no point of {} meets the conditions", spec.size()));
  if (!differ)
    throw sim::ConfigError(
        fmt::format("no point of {} can be played, all for one reason: {}", counted, *mistake));
  return counted;
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
      [&](std::size_t thread, std::size_t i) -> std::optional<Ended> {
        if (options.stop && options.stop()) return {};
        Ended ended = runner.run(thread, todo[i], params_of(todo[i]));
        if (!ended.again) {
          runner.keep(ended.point);
          ended.point = {};
        } else if (runner.keep_again(ended.point)) {
          ended = {};
        }
        return ended;
      },
      [&](std::size_t, std::optional<Ended> ended) {
        if (!ended) return;
        if (ended->again)
          again.push_back(std::move(ended->point));
        else
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
