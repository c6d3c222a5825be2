#include "validation/cuda/protocol/points_file.h"

#include <algorithm>
#include <array>

namespace moesim::validation::cuda {
namespace {

constexpr const char* kHung = "failed: hung in ";

bool begins_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

void learn(const std::string& flags, const PlanPoint& point, KernelRecord& record) {
  for (const std::string& flag : split_flags(flags)) {
    if (const std::string kernel = kernel_that_hung(flag); !kernel.empty()) {
      record.hung(kernel);
    } else if (flag == "wrong" || flag == "unwritten" ||
               begins_with(flag, "failed: its process ")) {
      record.wrong(kernel_of(point), point.id);
    }
  }
}

}  // namespace

std::string hung_flag(const std::string& kernel, const std::string& why) {
  return kHung + kernel + ": " + why;
}

std::string kernel_that_hung(const std::string& flag) {
  if (!begins_with(flag, kHung)) return "";
  const std::size_t begin = std::string(kHung).size();
  return flag.substr(begin, flag.find(':', begin) - begin);
}

PointsSoFar parse_points(const std::string& text, const std::string& name, const Plan& plan,
                         const std::vector<RunStep>& steps) {
  PointsSoFar points;
  const std::size_t whole = text.rfind('\n');
  if (whole == std::string::npos) return points;
  std::vector<std::string> columns;
  int line_number = 0;
  for (std::size_t begin = 0; begin <= whole;) {
    const std::size_t end = text.find('\n', begin);
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++line_number;
    if (line.empty() || line[0] == '#') continue;
    const std::vector<std::string> values = split_line(line);
    if (columns.empty()) {
      columns = values;
      continue;
    }
    const auto value = [&](const char* column) -> std::string {
      const auto at = std::find(columns.begin(), columns.end(), column) - columns.begin();
      const auto place = static_cast<std::size_t>(at);
      return place < values.size() ? values[place] : "";
    };
    const auto number = static_cast<std::size_t>(points.steps);
    const std::string where = name + ":" + std::to_string(line_number);
    if (number >= steps.size()) throw PlanError(where + ": more points than the plan has");
    const PlanPoint& point = plan.points[steps[number].point];
    if (value("id") != point.id || value("pass") != std::to_string(steps[number].pass)) {
      throw PlanError(where + ": expected " + point.id + " in pass " +
                      std::to_string(steps[number].pass) + ", not " + value("id") + " in pass " +
                      value("pass") + ": these are points of another plan or seed");
    }
    ++points.steps;
    PointResult result;
    result.flags = split_flags(value("flags"));
    points.summary.count(result);
    learn(value("flags"), point, points.record);
  }
  if (columns.empty()) return {};
  points.text = text.substr(0, whole + 1);
  points.metadata = parse_metadata(points.text);
  return points;
}

std::string why_another(const Metadata& before, const Metadata& now) {
  const auto value = [](const Metadata& metadata, const std::string& key) {
    for (const auto& [name, text] : metadata) {
      if (name == key) return text;
    }
    return std::string("unknown");
  };
  for (const char* key :
       {"device", "device_id", "multiprocessors", "driver", "program", "seed", "plan_hash"}) {
    if (value(before, key) != value(now, key)) {
      return std::string(key) + ": " + value(before, key) + ", and now " + value(now, key);
    }
  }
  return "";
}

}  // namespace moesim::validation::cuda
