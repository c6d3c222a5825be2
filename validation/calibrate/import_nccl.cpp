// nccl-tests, text and JSON.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/io/json.h"
#include "validation/calibrate/import.h"
#include "validation/calibrate/import_outliers.h"
#include "validation/calibrate/import_text.h"

namespace moesim::validation {
namespace {

using sim::io::Json;

struct Row {
  std::string where;  // "a.log:5"
  std::string type;
  double bytes = 0, us = 0;
};

// One test of a log: what it says of itself, and its rows.
struct Run {
  std::string operation;             // empty: not said
  int ranks = 0;                     // 0: not said
  std::set<std::string> hosts = {};  // of its ranks, as far as said
  std::vector<Row> rows;
  bool ended = false;       // its last line was there
  std::size_t wrong = 0;    // rows that were left out for wrong values
  std::size_t untimed = 0;  // and those that have no time
  std::string failure;      // why all of it is not believed
  std::size_t failed_at = 0;
};

constexpr std::array kOperations{"all_reduce", "all_gather", "reduce_scatter", "alltoall"};

// "all_reduce_perf", "AllReduce" -> "all_reduce"; as it is where it is another's.
std::string operation_named(std::string_view test) {
  std::string plain;
  for (const char c : test.substr(0, test.find("_perf"))) {
    if (c == '_' || c == '-') continue;
    plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  for (const char* known : kOperations) {
    std::string squeezed;
    for (const char* c = known; *c != '\0'; ++c) {
      if (*c != '_') squeezed += *c;
    }
    if (plain == squeezed) return known;
  }
  return std::string(test.substr(0, std::min<std::size_t>(test.size(), 40)));
}

// Rows of a type by themselves.
void point_at_outliers(const Run& run, ImportNotes notes) {
  std::map<std::string, std::vector<TimedSize>> types;
  for (const Row& row : run.rows) {
    types[row.type].push_back({row.where, row.bytes, row.us, fmt::format("{} us", row.us)});
  }
  for (auto& [type, rows] : types) point_at_outliers(std::move(rows), notes);
}

std::string table_of(std::vector<Run> runs, const std::string& name, const std::string& operation,
                     int ranks, ImportNotes notes) {
  std::string csv = "op_name,dtype,num_gpus,bytes,latency_us\n", why, others;
  bool counted = true;
  std::size_t rows = 0;
  for (Run& run : runs) {
    if (run.rows.empty() && run.failure.empty() && run.wrong + run.untimed == 0) continue;
    const std::string operated = run.operation.empty() ? operation : run.operation;
    if (operated.empty()) {
      throw sim::ConfigError(
          fmt::format("{}: the log does not name its operation; --operation all_reduce, "
                      "all_gather, reduce_scatter or alltoall",
                      name));
    }
    const bool read = std::ranges::find(kOperations, operated) != kOperations.end();
    if (!read || (!operation.empty() && operated != operation)) {
      if (others.find(operated) == std::string::npos) {
        others += (others.empty() ? "" : ", ") + operated;
      }
      continue;
    }
    if (!run.failure.empty()) {
      note(notes, name, run.failed_at, "the run failed, its rows are left out: " + run.failure);
      if (why.empty()) why = fmt::format("line {}: {}", run.failed_at + 1, run.failure);
      continue;
    }
    if (run.wrong > 0 && why.empty()) why = fmt::format("{} with wrong values", run.wrong);
    if (run.untimed > 0 && why.empty()) why = fmt::format("{} without a time", run.untimed);
    const int gpus = run.ranks > 0 ? run.ranks : ranks;
    if (run.ranks > 0 && ranks > 0 && run.ranks != ranks && notes != nullptr) {
      notes->push_back(
          fmt::format("{}: the log lists {} GPUs: --ranks {} is not used", name, run.ranks, ranks));
    }
    counted = counted && (gpus >= 2 || run.rows.empty());
    if (run.hosts.size() > 1 && notes != nullptr)
      notes->push_back(fmt::format(
          "{}: its {} ranks are on {} nodes, of which the table says nothing: keep it apart "
          "from those of one node",
          name, run.ranks, run.hosts.size()));
    point_at_outliers(run, notes);
    if (!run.ended && notes != nullptr)
      notes->push_back(
          fmt::format("{}: the test of {} has no last line (\"# Avg bus bandwidth\"): was it ended "
                      "early? Its {} rows are taken",
                      name, operated, run.rows.size()));
    for (const Row& row : run.rows) {
      csv += fmt::format("{},{},{},{:.0f},{}\n", operated, row.type, gpus, row.bytes, row.us);
      ++rows;
    }
  }
  if (!counted) throw sim::ConfigError(fmt::format("{}: how many GPUs? --ranks N", name));
  if (rows > 0) {
    if (!others.empty() && notes != nullptr) {
      notes->push_back(fmt::format("{}: runs of {} are left out", name, others));
    }
    return csv;
  }
  if (!why.empty()) {
    throw sim::InputError(fmt::format("{}: the test failed and no row is left: {}", name, why));
  }
  if (!others.empty()) {
    throw sim::ConfigError(fmt::format(
        "{}: the log is of {}, not of {}", name, others,
        operation.empty() ? fmt::format("{}", fmt::join(kOperations, ", ")) : operation));
  }
  throw sim::InputError(fmt::format("{}: the table has no row", name));
}

// A log line by line. Launchers put words before every line ("[1,0]<stdout>:", "3: ", a time): as
// many as stand before the '#' of the table's header stand before its rows.
class LogReader {
 public:
  LogReader(std::string_view text, std::string name, ImportNotes notes)
      : lines_(lines_of(text)),
        name_(std::move(name)),
        notes_(notes),
        cut_(!text.empty() && text.back() != '\n') {}

  std::vector<Run> read() {
    for (line_ = 0; line_ < lines_.size(); ++line_) {
      const std::string_view line = lines_[line_];
      const std::size_t hash = line.find('#');
      if (failure(line)) continue;
      // "#wrong" is no comment.
      if (hash != std::string_view::npos && line.substr(hash, 6) != "#wrong") {
        comment(line.substr(hash + 1), words_of(line.substr(0, hash)).size());
      } else {
        row(line);
      }
    }
    if (!table_ && !run().failure.empty())
      throw sim::InputError(fmt::format("{}: the test failed and no row is left: line {}: {}",
                                        name_, run().failed_at + 1, run().failure));
    if (!table_) {
      throw sim::InputError(fmt::format(
          "{}: no header line with \"size\" and \"time\"; is this of nccl-tests?", name_));
    }
    return std::move(runs_);
  }

 private:
  struct Columns {
    std::size_t size = 0, time = 0;
    std::optional<std::size_t> type, wrong;
    std::size_t count = 0;
  };

  Run& run() {
    if (runs_.empty()) runs_.emplace_back();
    return runs_.back();
  }

  void start() {
    columns_.reset();
    if (runs_.empty() || !runs_.back().rows.empty() || runs_.back().ranks > 0 ||
        !runs_.back().failure.empty()) {
      runs_.emplace_back();
    }
  }

  void comment(std::string_view text, std::size_t before) {
    const std::vector<std::string_view> words = words_of(text);
    if (words.empty()) return;
    const std::size_t test = text.find("Collective test starting:");
    if (test != std::string_view::npos) {
      start();
      const auto named = words_of(text.substr(test + 25));
      if (!named.empty()) run().operation = operation_named(named.front());
    } else if (words[0] == "nThread" || words[0] == "nThreads") {
      // Older versions say no more of a new test.
      if (!run().rows.empty()) start();
    } else if (words[0] == "Rank" && words.size() > 1 && number(words[1])) {
      if (!run().rows.empty()) start();
      ++run().ranks;
      const auto on = std::ranges::find(words, "on");
      if (on != words.end() && on + 1 != words.end()) run().hosts.insert(std::string(on[1]));
    } else if (text.find("Out of bounds values") != std::string_view::npos) {
      if (text.find("FAILED") != std::string_view::npos && run().wrong == 0) {
        fail_run("values out of bounds: FAILED");
      }
    } else if (text.find("Avg bus bandwidth") != std::string_view::npos) {
      run().ended = true;
    } else {
      header(words, before);
    }
  }

  void header(const std::vector<std::string_view>& words, std::size_t before) {
    const auto place = [&](std::string_view word, std::size_t from) -> std::optional<std::size_t> {
      for (std::size_t i = from; i < words.size(); ++i) {
        if (words[i] == word) return i;
      }
      return {};
    };
    const auto size = place("size", 0), time = place("time", 0);
    if (!size || !time) return;
    auto wrong = place("#wrong", *time);
    if (!wrong) wrong = place("wrong", *time);
    columns_ = Columns{*size, *time, place("type", 0), wrong, words.size()};
    prefix_ = before;
    table_ = true;
  }

  void row(std::string_view line) {
    if (!columns_) return;
    std::vector<std::string_view> words = words_of(line);
    if (words.size() <= prefix_) return;
    words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(prefix_));
    if (!number(words[0])) return;  // what a launcher prints
    if (cut_ && line_ + 1 == lines_.size() && words.size() < columns_->count) {
      note(notes_, name_, line_, "left out: the file ends within it");
      return;
    }
    if (words.size() <= std::max({columns_->size, columns_->time, columns_->type.value_or(0)})) {
      fail(name_, line_, "the line has fewer columns than the header");
    }
    const auto bytes = number(words[columns_->size]);
    if (!bytes || *bytes < 0 || *bytes != std::floor(*bytes))
      fail(name_, line_, "expected a size in bytes");
    if (*bytes < 1) return;  // zero bytes
    const std::string_view said = words[columns_->time];
    const auto time = number(said);
    if (!time && (said == "nan" || said == "-nan" || said == "NaN" || said == "inf" ||
                  said == "N/A" || said == "-")) {
      note(notes_, name_, line_, fmt::format("left out: its time is {}", said));
      ++run().untimed;
      return;
    }
    if (!time || *time <= 0) fail(name_, line_, "expected a size and a time above zero");
    if (columns_->wrong && words.size() > *columns_->wrong) {
      // N/A: it was not looked at.
      const auto wrong = number(words[*columns_->wrong]);
      if (wrong && *wrong > 0) {
        note(notes_, name_, line_, fmt::format("left out: {:.0f} values are wrong", *wrong));
        ++run().wrong;
        return;
      }
    }
    run().rows.push_back({fmt::format("{}:{}", name_, line_ + 1),
                          columns_->type ? std::string(words[*columns_->type]) : "float", *bytes,
                          *time});
  }

  bool failure(std::string_view line) {
    for (const char* said : {"Test NCCL failure", "Test failure", "Test CUDA failure"}) {
      const std::size_t at = line.find(said);
      if (at == std::string_view::npos) continue;
      fail_run(std::string(line.substr(at, 100)));
      return true;
    }
    return false;
  }

  void fail_run(std::string why) {
    if (!run().failure.empty()) return;
    run().failure = std::move(why);
    run().failed_at = line_;
  }

  std::vector<std::string_view> lines_;
  std::string name_;
  ImportNotes notes_;
  std::vector<Run> runs_;
  std::optional<Columns> columns_;
  std::size_t prefix_ = 0, line_ = 0;
  bool table_ = false;
  bool cut_ = false;  // the last line has no end
};

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

std::string text_in(const Json& json, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = json.find(key);
    if (found != json.end() && found->is_string()) return found->get<std::string>();
  }
  return {};
}

Run run_of_json(const Json& json, const std::string& name, ImportNotes notes) {
  if (!json.is_object() || !json.contains("results") || !json["results"].is_array()) {
    throw sim::InputError(fmt::format("{}: no list \"results\"; is this of nccl-tests -J?", name));
  }
  Run run;
  run.ended = true;  // JSON that is not whole is none
  const std::string test = text_in(json, {"collective", "test", "test_name", "operation"});
  if (!test.empty()) run.operation = operation_named(test);
  run.ranks = count_in(json, {"nranks", "num_ranks", "total_ranks", "ranks", "devices"});
  std::size_t place = 0;
  for (const Json& r : json["results"]) {
    ++place;
    const auto tell = [&](const std::string& what) {
      if (notes != nullptr) notes->push_back(fmt::format("{}: result {}: {}", name, place, what));
    };
    const bool shaped = r.is_object() && r.contains("size") && r["size"].is_number() &&
                        r.contains("out_of_place") && r["out_of_place"].is_object() &&
                        r["out_of_place"].contains("time");
    if (!shaped ||
        (r["out_of_place"]["time"].is_number() && !(r["out_of_place"]["time"].get<double>() > 0))) {
      throw sim::InputError(
          fmt::format("{}: a result without size and an out_of_place.time above zero", name));
    }
    const Json& out = r["out_of_place"];
    if (!out["time"].is_number()) {  // NaN
      tell("left out: it has no time");
      ++run.untimed;
      continue;
    }
    double wrong = 0;
    for (const char* key : {"nwrong", "wrong", "#wrong"}) {
      if (out.contains(key) && out[key].is_number()) wrong = out[key].get<double>();
    }
    if (wrong > 0) {
      tell(fmt::format("left out: {:.0f} values are wrong", wrong));
      ++run.wrong;
      continue;
    }
    const Json type = r.value("type", Json("float"));
    run.rows.push_back({fmt::format("{}: result {}", name, place),
                        type.is_string() ? type.get<std::string>() : "float",
                        r["size"].get<double>(), out["time"].get<double>()});
  }
  const auto bounds = json.find("out_of_bounds");
  if (bounds != json.end() && bounds->is_object() && run.wrong == 0 &&
      bounds->value("okay", Json(true)) == false) {
    run.failure = "values out of bounds: not okay";
  }
  return run;
}

}  // namespace

std::string import_nccl_tests(std::string_view text, const std::string& name,
                              const std::string& operation, int ranks,
                              std::vector<std::string>* notes) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') {
    std::vector<Run> runs{run_of_json(sim::io::parse_json(text, name), name, notes)};
    return table_of(std::move(runs), name, operation, ranks, notes);
  }
  return table_of(LogReader(text, name, notes).read(), name, operation, ranks, notes);
}

}  // namespace moesim::validation
