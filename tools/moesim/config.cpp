#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/io/yaml_reader.h"
#include "tools/moesim/named_scenario.h"
#include "tools/moesim/shipped.h"
#include "workloads/scenario.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using sim::io::YamlNode;

// The node at a dotted path. (A domain of routing.mix may have a dot in its name.)
std::optional<YamlNode> find(const YamlNode& from, std::string_view path) {
  if (!from.is_map()) return {};
  if (const auto whole = from.find(path)) return whole;
  const std::size_t dot = path.find('.');
  if (dot == std::string_view::npos) return {};
  const auto next = from.find(path.substr(0, dot));
  return next ? find(*next, path.substr(dot + 1)) : std::nullopt;
}

// Where a value of the resolved scenario comes from: the document's value of that name, or one
// that stands for several, or what is taken where neither is there.
std::string origin_of(const YamlNode& root, std::string_view path) {
  const auto given = [&](std::string_view key) -> std::string {
    const auto node = find(root, key);
    return node ? node->origin() : "";
  };
  // `balancer: eplb` has the last word on `experts`.
  if (path == "placement.experts") {
    const auto balancer = find(root, "placement.balancer");
    if (balancer && balancer->text() == "eplb") return balancer->origin();
  }
  if (const std::string own = given(path); !own.empty()) return own;
  if (path == "network.fidelity" && !given("network").empty()) return given("network");
  if (path == "parallelism.edp") return "follows";
  for (const char* part : {"attention", "dense", "experts", "shared_experts"}) {
    if (path != std::string("precision.") + part) continue;
    const std::string weights = given("precision.weights");
    return weights.empty() ? "as the model is stored" : weights;
  }
  if (path == "precision.other") return "as the model is stored";
  return "default";
}

struct Line {
  std::string path, value, origin;
};

void flatten(const Json& value, const std::string& path, const YamlNode& root,
             std::vector<Line>& lines) {
  if (value.is_object()) {
    for (const auto& [key, part] : value.items()) {
      flatten(part, path.empty() ? key : path + "." + key, root, lines);
    }
    return;
  }
  lines.push_back(
      {path, value.is_string() ? value.get<std::string>() : value.dump(), origin_of(root, path)});
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const sim::io::YamlDocument document = scenario_document(arguments);
  Json json = resolved(workloads::read_scenario(document.root(), shipped()));
  std::vector<Line> lines;
  flatten(json, "", document.root(), lines);
  if (arguments.json()) {
    json["origins"] = Json::object();
    for (const Line& line : lines) json["origins"][line.path] = line.origin;
    console.out << sim::io::to_text(json);
    return sim::ExitCode::Ok;
  }
  // One line a value: "step.context: 4096    # x.yaml:13".
  for (const Line& line : lines) {
    console.out << fmt::format("{:<60} # {}\n", line.path + ": " + line.value, line.origin);
  }
  return sim::ExitCode::Ok;
}

}  // namespace

Command config_command() {
  std::vector<Option> options = scenario_options();
  options.push_back(format_option());
  return {
      .name = "config",
      .summary = "prints a scenario as it will be used, and where each value comes from",
      .description =
          "One line a value, and after it the file and line that say so, --set, or what is taken "
          "where neither does; as JSON, the scenario and its origins by path.",
      .options = std::move(options),
      .examples = {"moesim config SCENARIO --set network=bound"},
      .run = run};
}

}  // namespace moesim::tools
