// nccl-tests' runs as a table.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "sim/io/json.h"
#include "validation/calibrate/import.h"
#include "validation/calibrate/import_outliers.h"
#include "validation/calibrate/nccl_runs.h"

namespace moesim::validation {

// "all_reduce_perf", "AllReduce" -> "all_reduce"; as it is where it is another's.
std::string nccl_operation_named(std::string_view test) {
  std::string plain;
  for (const char c : test.substr(0, test.find("_perf"))) {
    if (c == '_' || c == '-') continue;
    plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  for (const char* known : kNcclOperations) {
    std::string squeezed;
    for (const char* c = known; *c != '\0'; ++c) {
      if (*c != '_') squeezed += *c;
    }
    if (plain == squeezed) return known;
  }
  return std::string(test.substr(0, std::min<std::size_t>(test.size(), 40)));
}

std::string wrong_values(std::string_view said) {
  if (said == "N/A") return {};  // it was not looked at
  const auto wrong = number(said);
  if (!wrong) return fmt::format("\"{}\" is no count of wrong values", said.substr(0, 40));
  return *wrong > 0 ? fmt::format("{:.0f} values are wrong", *wrong) : std::string();
}

namespace {

// Rows of a type by themselves.
void point_at_outliers(const NcclRun& run, ImportNotes notes) {
  std::map<std::string, std::vector<TimedSize>> types;
  for (const NcclRow& row : run.rows) {
    types[row.type].push_back({row.where, row.bytes, row.us, fmt::format("{} us", row.us)});
  }
  for (const auto& [type, rows] : types) point_at_outliers(rows, notes);
}

// What a table does not say of the run's ranks. Throws InputError where its groups are not alike.
void say_where_it_ran(const NcclRun& run, const std::string& name, ImportNotes notes) {
  std::size_t hosts = 0;
  for (const auto& [group, of] : run.groups) {
    hosts = std::max(hosts, of.hosts.size());
    if (of.ranks == run.ranks()) continue;
    throw sim::InputError(
        fmt::format("{}: it has groups of {} and of {} ranks, and does not say which of them its "
                    "times are of",
                    name, run.ranks(), of.ranks));
  }
  if (notes == nullptr) return;
  if (run.groups.size() > 1)
    notes->push_back(
        fmt::format("{}: {} groups of {} ranks ran at the same time (NCCL_TESTS_SPLIT), of which "
                    "the table says nothing: keep it apart from those of one",
                    name, run.groups.size(), run.ranks()));
  if (hosts > 1)
    notes->push_back(fmt::format(
        "{}: its {} ranks are on {} nodes, of which the table says nothing: keep it apart "
        "from those of one node",
        name, run.ranks(), hosts));
}

std::string table_of(std::vector<NcclRun> runs, const std::string& name,
                     const std::string& operation, int ranks, ImportNotes notes) {
  std::string csv = "op_name,dtype,num_gpus,bytes,latency_us\n", why, others;
  bool counted = true;
  std::size_t rows = 0;
  for (NcclRun& run : runs) {
    if (run.rows.empty() && run.failure.empty() && run.wrong + run.untimed == 0) continue;
    const std::string operated = run.operation.empty() ? operation : run.operation;
    if (operated.empty()) {
      throw sim::ConfigError(
          fmt::format("{}: the log does not name its operation; --operation all_reduce, "
                      "all_gather, reduce_scatter or alltoall",
                      name));
    }
    const bool read = std::ranges::find(kNcclOperations, operated) != kNcclOperations.end();
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
    const int listed = run.ranks(), gpus = listed > 0 ? listed : ranks;
    if (listed > 0 && ranks > 0 && listed != ranks && notes != nullptr) {
      notes->push_back(
          fmt::format("{}: the log lists {} GPUs: --ranks {} is not used", name, listed, ranks));
    }
    counted = counted && (gpus >= 2 || run.rows.empty());
    if (gpus >= 2) {
      check_sizes(run, operated, gpus, notes);
      check_bus_bandwidths(run, operated, gpus, run.operation.empty() || listed == 0, notes);
    }
    say_where_it_ran(run, name, notes);
    point_at_outliers(run, notes);
    if (!run.ended && notes != nullptr)
      notes->push_back(
          fmt::format("{}: the test of {} has no last line (\"# Avg bus bandwidth\"): was it ended "
                      "early? Its {} rows are taken",
                      name, operated, run.rows.size()));
    for (const NcclRow& row : run.rows) {
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
        operation.empty() ? fmt::format("{}", fmt::join(kNcclOperations, ", ")) : operation));
  }
  throw sim::InputError(fmt::format("{}: the table has no row", name));
}

}  // namespace

std::string import_nccl_tests(std::string_view text, const std::string& name,
                              const std::string& operation, int ranks,
                              std::vector<std::string>* notes) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') {
    return table_of({nccl_run_of_json(sim::io::parse_json(text, name), name, notes)}, name,
                    operation, ranks, notes);
  }
  return table_of(nccl_runs_of_text(text, name, notes), name, operation, ranks, notes);
}

}  // namespace moesim::validation
