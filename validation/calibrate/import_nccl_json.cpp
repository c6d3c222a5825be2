// nccl-tests' JSON (-J).
#include <nlohmann/json.hpp>

#include "sim/io/json.h"
#include "validation/calibrate/nccl_runs.h"

namespace moesim::validation {
namespace {

using sim::io::Json;

// The first of the keys that is a whole number, of the object or of one within it.
int count_in(const Json& json, std::initializer_list<const char*> keys, int depth = 0) {
  if (!json.is_object() || depth > 2) return 0;
  for (const char* key : keys) {
    const auto found = json.find(key);
    if (found == json.end()) continue;
    if (found->is_number_integer() && *found >= 1 && *found <= 1'000'000) return found->get<int>();
    if (found->is_array() && !found->empty()) return static_cast<int>(found->size());
  }
  for (const auto& [key, value] : json.items()) {
    if (const int within = count_in(value, keys, depth + 1); within > 0) return within;
  }
  return 0;
}

// Its devices by their groups; of one group as many as it says itself.
std::map<std::string, NcclGroup> groups_in(const Json& json) {
  std::map<std::string, NcclGroup> groups;
  for (const Json& device : json.value("devices", Json::array())) {
    if (!device.is_object()) continue;
    NcclGroup& group = groups[device.value("group", Json()).dump()];
    ++group.ranks;
    if (const Json host = device.value("hostname", Json()); host.is_string())
      group.hosts.insert(host.get<std::string>());
  }
  if (groups.size() > 1) return groups;
  NcclGroup all = groups.empty() ? NcclGroup{} : groups.begin()->second;
  all.ranks = count_in(json, {"nranks", "num_ranks", "total_ranks", "ranks", "devices"});
  if (all.ranks == 0) return {};
  return {{"", all}};
}

std::string text_in(const Json& json, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = json.find(key);
    if (found != json.end() && found->is_string()) return found->get<std::string>();
  }
  return {};
}

// The test's name: said, or that of the program that was called ("…/all_reduce_perf"). Empty where
// there is neither.
std::string test_in(const Json& json) {
  const auto named = [](const Json& in) {
    return in.is_object() ? text_in(in, {"collective", "test", "test_name", "operation"})
                          : std::string();
  };
  if (std::string said = named(json); !said.empty()) return said;
  if (std::string said = named(json.value("config", Json())); !said.empty()) return said;
  const auto called = json.find("args");
  if (called == json.end()) return {};
  std::vector<std::string> words;
  for (const Json& word : called->is_array() ? *called : Json::array({*called})) {
    if (word.is_string()) words.push_back(word.get<std::string>());
  }
  for (const std::string& all : words) {
    for (const std::string_view word : words_of(all)) {
      const std::string_view program = word.substr(word.find_last_of('/') + 1);
      if (program.find("_perf") != std::string_view::npos) return std::string(program);
    }
  }
  return {};
}

// What a result says of wrong values, as text; a number as it is printed.
std::string wrong_in(const Json& result) {
  for (const char* key : {"nwrong", "wrong", "#wrong"}) {
    const auto found = result.find(key);
    if (found == result.end() || found->is_null()) continue;
    return found->is_string() ? found->get<std::string>() : found->dump();
  }
  return "N/A";
}

std::optional<Rounded> bandwidth_in(const Json& result, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = result.find(key);
    if (found != result.end() && found->is_number())
      return rounded(fmt::format("{}", found->get<double>()));
  }
  return {};
}

}  // namespace

NcclRun nccl_run_of_json(const Json& json, const std::string& name, ImportNotes notes) {
  if (!json.is_object() || !json.contains("results") || !json["results"].is_array()) {
    throw sim::InputError(fmt::format("{}: no list \"results\"; is this of nccl-tests -J?", name));
  }
  NcclRun run;
  run.ended = true;  // JSON that is not whole is none
  if (const std::string test = test_in(json); !test.empty())
    run.operation = nccl_operation_named(test);
  run.groups = groups_in(json);
  std::size_t place = 0;
  for (const Json& r : json["results"]) {
    const std::string where = fmt::format("{}: result {}", name, ++place);
    const auto leave_out = [&](const std::string& why, std::size_t& count) {
      note_once(notes, fmt::format("{}: left out: {}", where, why));
      ++count;
    };
    const bool shaped = r.is_object() && r.contains("size") && r["size"].is_number() &&
                        r.contains("out_of_place") && r["out_of_place"].is_object() &&
                        r["out_of_place"].contains("time");
    if (!shaped && r.is_object() && r.contains("out_of_place") && r["out_of_place"].is_object() &&
        r["out_of_place"].contains("cpu_time"))
      throw sim::InputError(fmt::format("{}: {}", where, kCpuTime));
    if (!shaped ||
        (r["out_of_place"]["time"].is_number() && !(r["out_of_place"]["time"].get<double>() > 0))) {
      throw sim::InputError(
          fmt::format("{}: a result without size and an out_of_place.time above zero", name));
    }
    const double bytes = r["size"].get<double>();
    if (!is_size(bytes))
      throw sim::InputError(fmt::format("{}: expected a size in bytes, not {}", where, bytes));
    if (bytes < 1) continue;  // zero bytes
    const Json& out = r["out_of_place"];
    if (!out["time"].is_number()) {  // NaN
      leave_out("it has no time", run.untimed);
      continue;
    }
    if (const std::string why = wrong_values(wrong_in(out)); !why.empty()) {
      leave_out(why, run.wrong);
      continue;
    }
    const Json type = r.value("type", Json("float"));
    run.rows.push_back({where, type.is_string() ? type.get<std::string>() : "float", bytes,
                        out["time"].get<double>(), bandwidth_in(out, {"alg_bw", "algbw"}),
                        bandwidth_in(out, {"bus_bw", "busbw"}),
                        r.contains("count") && r["count"].is_number()
                            ? std::optional(r["count"].get<double>())
                            : std::nullopt});
  }
  const auto bounds = json.find("out_of_bounds");
  if (bounds != json.end() && bounds->is_object() && run.wrong == 0 &&
      bounds->value("okay", Json(true)) == false) {
    run.failure = "values out of bounds: not okay";
  }
  return run;
}

}  // namespace moesim::validation
