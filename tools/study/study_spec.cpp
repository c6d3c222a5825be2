#include "tools/study/study_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/error.h"
#include "sim/io/file_kind.h"
#include "sim/io/yaml_reader.h"

namespace moesim::tools {
namespace {

using sim::io::YamlDocument;
using sim::io::YamlNode;

// What is told where nothing else is asked for: of a step, of a service.
const std::vector<std::string> kStepMeasures = {
    "step_time_us.mean", "step_time_us.p99", "throughput.tokens_per_s",
    "throughput.tokens_per_s_per_gpu", "memory.peak_bytes"};
const std::vector<std::string> kServingMeasures = {
    "serving.request_throughput", "throughput.tokens_per_s_per_gpu",
    "serving.mean_ttft_ms",       "serving.p99_ttft_ms",
    "serving.mean_tpot_ms",       "serving.p99_tpot_ms"};

const std::vector<std::string>& usual_measures(const std::filesystem::path& scenario) {
  if (!sim::io::is_file(scenario)) return kStepMeasures;
  const YamlNode root = YamlDocument::load(scenario).root();
  return root.is_map() && root.find("serving") ? kServingMeasures : kStepMeasures;
}

// Items of a list, or values of a text.
std::vector<std::string> values_of(const YamlNode& node) {
  std::vector<std::string> values;
  if (node.is_list()) {
    for (const YamlNode& item : node.items()) {
      if (item.is_scalar())
        values.push_back(item.text());
      else
        item.error("expected a value; a list or a map as one value is quoted: \"{law: uniform}\"");
    }
    if (values.empty()) node.error("expected at least one value");
    return values;
  }
  const std::string text = node.text();
  try {
    return read_values(text, "values");
  } catch (const sim::ConfigError& error) {
    node.error(std::string(error.what()).substr(std::string_view("values: ").size()));
    return {};
  }
}

std::vector<Axis> axes_of(const YamlNode& map) {
  std::vector<Axis> axes;
  for (const auto& [key, node] : map.entries()) axes.push_back({key, values_of(node)});
  return axes;
}

template <class Add>
void expressions_of(const YamlNode& node, const Add& add) {
  const std::string text = node.text();
  try {
    add(Expression(text));
  } catch (const sim::ConfigError& error) {
    node.error(error.what());
  }
}

bool is_study(const YamlNode& root) {
  return root.is_map() && (root.find("base") || root.find("vary") || root.find("zip"));
}

void read_file(const YamlDocument& document, StudySpec& spec,
               const std::function<std::filesystem::path(const std::string&)>& find_scenario) {
  const YamlNode root = document.root();
  root.allow_only({"base", "set", "vary", "zip", "derive", "where", "measure"});
  const YamlNode base = root.at("base");
  if (base.is_scalar()) {
    const std::filesystem::path beside = base.file();
    spec.base = sim::io::is_file(beside) ? beside : find_scenario(base.text());
  }
  if (const auto set = root.find("set")) {
    for (const auto& [key, value] : set->entries()) spec.sets.push_back(key + "=" + value.text());
  }
  if (const auto vary = root.find("vary")) {
    for (Axis& axis : axes_of(*vary)) spec.axes.push_back({std::move(axis)});
  }
  if (const auto zip = root.find("zip")) {
    for (const YamlNode& group : zip->items()) spec.axes.push_back(axes_of(group));
  }
  if (const auto derive = root.find("derive")) {
    for (const auto& [key, node] : derive->entries()) {
      expressions_of(node, [&, k = key](Expression e) {
        spec.derived.push_back({k, std::move(e)});
      });
    }
  }
  if (const auto where = root.find("where")) {
    for (const YamlNode& node : where->items())
      expressions_of(node, [&](Expression e) { spec.where.push_back(std::move(e)); });
  }
  if (const auto measure = root.find("measure")) {
    for (const YamlNode& node : measure->items()) spec.measures.push_back(node.text());
  }
  document.throw_errors();
}

// "K=V,K=V" of --zip: a new assignment begins at a comma that is followed by KEY=.
std::vector<Axis> read_zip(std::string_view text) {
  std::vector<Axis> axes;
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = text.size();
    for (std::size_t comma = text.find(',', begin); comma != std::string_view::npos;
         comma = text.find(',', comma + 1)) {
      const std::size_t equals = text.find('=', comma), next = text.find(',', comma + 1);
      if (equals != std::string_view::npos && equals < next) {
        end = comma;
        break;
      }
    }
    axes.push_back(read_axis(text.substr(begin, end - begin), "--zip"));
    begin = end + 1;
  }
  return axes;
}

void read_options(const StudyOptions& options, StudySpec& spec) {
  spec.sets.insert(spec.sets.end(), options.set.begin(), options.set.end());
  for (const std::string& text : options.vary) spec.axes.push_back({read_axis(text, "--vary")});
  for (const std::string& text : options.zip) spec.axes.push_back(read_zip(text));
  for (const std::string& text : options.derive) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw sim::ConfigError(fmt::format(
          "--derive: expected KEY=EXPRESSION such as placement.redundant=parallelism.ep, not "
          "\"{}\"",
          text));
    }
    const std::string key = text.substr(0, equals);
    spec.derived.push_back({key, Expression(text.substr(equals + 1), "--derive " + key)});
  }
  for (const std::string& text : options.where) spec.where.emplace_back(text, "--where");
  spec.measures.insert(spec.measures.end(), options.measure.begin(), options.measure.end());
}

void check(const StudySpec& spec) {
  if (spec.axes.empty())
    throw sim::ConfigError(
        "nothing varies: say --vary KEY=VALUES, or vary: {KEY: VALUES} in the study's file");
  std::string mistakes;
  const auto note = [&](const std::string& text) {
    mistakes += (mistakes.empty() ? "" : "\n") + text;
  };
  std::set<std::string> keys;
  const auto once = [&](const std::string& key) {
    if (!keys.insert(key).second) note(fmt::format("{}: is varied or derived twice", key));
  };
  for (const auto& group : spec.axes) {
    for (const Axis& axis : group) {
      once(axis.key);
      if (axis.values.size() == group.front().values.size()) continue;
      note(fmt::format("{} and {} vary together: {} values and {}", group.front().key, axis.key,
                       group.front().values.size(), axis.values.size()));
    }
  }
  for (const Derived& derived : spec.derived) once(derived.key);
  if (!mistakes.empty()) throw sim::ConfigError(mistakes);
}

// Of what varies together: what is there already goes, with a word.
void drop_repeated(std::vector<Axis>& group, std::vector<std::string>& notes) {
  std::vector<Axis> kept;
  for (const Axis& axis : group) kept.push_back({axis.key, {}});
  std::map<std::vector<std::string>, std::string> seen;  // by what the values mean, as they stand
  for (std::size_t i = 0; i < group.front().values.size(); ++i) {
    std::vector<std::string> meant, shown;
    for (const Axis& axis : group) {
      meant.push_back(to_text(value_of(axis.values[i])));
      shown.push_back(fmt::format("{}={}", axis.key, axis.values[i]));
    }
    const std::string text = fmt::format("{}", fmt::join(shown, ","));
    const auto [first, is_new] = seen.emplace(std::move(meant), text);
    if (!is_new) {
      notes.push_back(
          first->second == text
              ? fmt::format("{}: is given more than once; it is played once", text)
              : fmt::format("{}: is the same as {}; it is played once", text, first->second));
      continue;
    }
    for (std::size_t k = 0; k < group.size(); ++k) kept[k].values.push_back(group[k].values[i]);
  }
  group = std::move(kept);
}

}  // namespace

std::uint64_t StudySpec::size() const {
  std::uint64_t points = 1;
  for (const auto& group : axes) {
    points *= group.front().values.size();
    if (points > kMostStudyPoints)
      throw sim::ConfigError(fmt::format("the study has more than {} points", kMostStudyPoints));
  }
  return points;
}

StudySpec read_study(
    const std::filesystem::path& file, const StudyOptions& options,
    const std::function<std::filesystem::path(const std::string&)>& find_scenario) {
  StudySpec spec;
  const YamlDocument document = YamlDocument::load(file);
  if (is_study(document.root()))
    read_file(document, spec, find_scenario);
  else
    spec.base = file;
  read_options(options, spec);
  if (spec.measures.empty()) spec.measures = usual_measures(spec.base);
  check(spec);
  for (auto& group : spec.axes) drop_repeated(group, spec.notes);
  spec.size();
  return spec;
}

sim::io::Json to_json(const StudySpec& spec) {
  using sim::io::Json;
  Json axes = Json::array(), derived = Json::object(), where = Json::array();
  for (const auto& group : spec.axes) {
    Json one = Json::object();
    for (const Axis& axis : group) one[axis.key] = axis.values;
    axes.push_back(std::move(one));
  }
  for (const Derived& d : spec.derived) derived[d.key] = d.expression.text();
  for (const Expression& e : spec.where) where.push_back(e.text());
  return {{"base", spec.base.filename().string()},
          {"set", spec.sets},
          {"axes", std::move(axes)},
          {"derive", std::move(derived)},
          {"where", std::move(where)},
          {"measure", spec.measures}};
}

Assignments assignments_of(const StudySpec& spec, std::uint64_t ord) {
  std::vector<std::size_t> at(spec.axes.size());
  for (std::size_t i = spec.axes.size(); i-- > 0;) {
    const std::size_t values = spec.axes[i].front().values.size();
    at[i] = ord % values;
    ord /= values;
  }
  Assignments assignments;
  for (std::size_t i = 0; i < spec.axes.size(); ++i) {
    for (const Axis& axis : spec.axes[i]) assignments.emplace_back(axis.key, axis.values[at[i]]);
  }
  return assignments;
}

namespace {

Lookup with(const Assignments& assignments, const Lookup& base) {
  return [&](std::string_view key) -> std::optional<Value> {
    const auto found = std::ranges::find(assignments, key, &Assignments::value_type::first);
    if (found != assignments.end()) return value_of(found->second);
    return base(key);
  };
}

}  // namespace

Assignments complete(const StudySpec& spec, Assignments assignments, const Lookup& base) {
  for (const Derived& derived : spec.derived) {
    const Value value = derived.expression.evaluate(with(assignments, base));
    assignments.emplace_back(derived.key, to_text(value));
  }
  return assignments;
}

bool counts(const StudySpec& spec, const Assignments& assignments, const Lookup& base) {
  const Lookup lookup = with(assignments, base);
  return std::ranges::all_of(spec.where, [&](const Expression& e) { return e.holds(lookup); });
}

std::optional<Value> find_value(const sim::io::Json& json, std::string_view path) {
  const sim::io::Json* at = &json;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('.'), path.size());
    std::string_view name = path.substr(0, end);
    path.remove_prefix(std::min(path.size(), end + 1));
    const std::size_t bracket = std::min(name.find('['), name.size());
    const auto found = at->is_object() ? at->find(std::string(name.substr(0, bracket))) : at->end();
    if (found == at->end()) return {};
    at = &*found;
    for (name.remove_prefix(bracket); !name.empty();) {
      std::size_t index = 0;
      const auto [stop, error] = std::from_chars(name.data() + 1, name.data() + name.size(), index);
      if (name.front() != '[' || error != std::errc{} || stop == name.data() + name.size() ||
          *stop != ']' || !at->is_array() || index >= at->size())
        return {};
      at = &(*at)[index];
      name.remove_prefix(static_cast<std::size_t>(stop + 1 - name.data()));
    }
  }
  if (at->is_boolean()) return at->get<bool>();
  if (at->is_number_integer()) return at->get<std::int64_t>();
  if (at->is_number_float()) return at->get<double>();
  if (at->is_string()) return value_of(at->get<std::string>());
  return {};
}

}  // namespace moesim::tools
