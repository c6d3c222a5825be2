#include "validation/compare/table_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/error.h"
#include "validation/tables/repeated_rows.h"

namespace moesim::validation {
namespace {

constexpr std::size_t kWorst = 10;
constexpr std::size_t kMostNotes = 10;
constexpr double kUnitSuspicion = 30;  // the square root of a thousand, about
constexpr double kImpossible = 0.2;    // of the least time: no resident cache explains it

struct Collected {
  std::vector<Comparison> good, all;
  std::map<std::string, std::vector<Comparison>> by_regime;
  std::vector<WorstRow> rows;
};

std::string inputs_of(const sim::io::CsvTable& table, std::size_t row) {
  std::string text;
  for (std::size_t c = 0; c < table.columns().size(); ++c) {
    const std::string& name = table.columns()[c];
    if (name.ends_with("_us") || name == "anomalous") continue;
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, table.text(row, c));
  }
  return text;
}

void collect(const sim::io::CsvTable& table, const TaskPrediction& p, Collected& into) {
  for (std::size_t i = 0; i < p.estimates.size(); ++i) {
    const Item& item = p.task->items()[i];
    if (item.measured_us <= 0) continue;
    const hardware::Estimate& e = p.estimates[i];
    const Comparison c{.measured = item.measured_us,
                       .predicted = e.us,
                       .low = e.us * e.low,
                       .high = e.us * e.high};
    into.all.push_back(c);
    if (item.anomalous) continue;
    into.good.push_back(c);
    const std::string regime(p.task->regime(i));
    into.by_regime[fmt::format("{}/{}", p.task->variant(), regime)].push_back(c);
    into.rows.push_back({.where = table.where(item.row),
                         .inputs = {},
                         .measured_us = c.measured,
                         .predicted_us = c.predicted,
                         .error_percent = (c.predicted / c.measured - 1) * 100});
    // Only the worst keep their inputs: they are looked up at the end.
    into.rows.back().inputs = std::to_string(item.row);
  }
}

std::vector<WorstRow> worst_of(std::vector<WorstRow> rows,
                               const std::vector<sim::io::CsvTable>& tables) {
  const auto off = [](const WorstRow& r) {
    return std::abs(std::log(r.predicted_us / r.measured_us));
  };
  const auto count = static_cast<std::ptrdiff_t>(std::min(kWorst, rows.size()));
  std::ranges::partial_sort(rows, rows.begin() + count, [&](const WorstRow& a, const WorstRow& b) {
    return off(a) != off(b) ? off(a) > off(b) : a.where < b.where;
  });
  rows.resize(static_cast<std::size_t>(count));
  for (WorstRow& r : rows) {
    const std::size_t row = std::stoul(r.inputs);
    for (const sim::io::CsvTable& t : tables)
      if (row < t.rows() && t.where(row) == r.where) {
        r.inputs = inputs_of(t, row);
        break;
      }
  }
  return rows;
}

}  // namespace

void check_units(const sim::io::CsvTable& table, const std::vector<TaskPrediction>& predictions,
                 std::vector<std::string>& notes) {
  std::vector<double> ratios;
  std::vector<std::string> impossible, far;
  for (const TaskPrediction& p : predictions) {
    for (std::size_t i = 0; i < p.estimates.size(); ++i) {
      const Item& item = p.task->items()[i];
      if (item.measured_us <= 0) continue;
      const double ratio = item.measured_us / p.estimates[i].us;
      ratios.push_back(ratio);
      if (item.measured_us < kImpossible * p.task->least_us(i))
        impossible.push_back(fmt::format(
            "{}: {} us is faster than the hardware allows ({:.4g} us); is the unit right?",
            table.where(item.row), item.measured_us, p.task->least_us(i)));
      else if ((ratio > kUnitSuspicion || ratio < 1 / kUnitSuspicion) && !item.anomalous)
        far.push_back(fmt::format(
            "{}: {} us is {:.3g} times what is predicted ({:.4g} us); is the unit right?",
            table.where(item.row), item.measured_us, ratio, p.estimates[i].us));
    }
  }
  if (ratios.empty()) return;
  const double middle = quantile(ratios, 0.5);
  if (middle > kUnitSuspicion || middle < 1 / kUnitSuspicion)
    throw sim::InputError(fmt::format(
        "{}: the measured times are {:.3g} times what is predicted at the median; they must be in "
        "microseconds{}",
        table.name(), middle,
        middle < 1 ? " (are these milliseconds?)" : " (are these nanoseconds?)"));
  impossible.insert(impossible.end(), far.begin(), far.end());
  for (std::size_t i = 0; i < std::min(kMostNotes, impossible.size()); ++i)
    notes.push_back(impossible[i]);
  if (impossible.size() > kMostNotes)
    notes.push_back(
        fmt::format("{}: and {} more such lines", table.name(), impossible.size() - kMostNotes));
  if (std::string note = repeated_rows_note(table); !note.empty()) notes.push_back(std::move(note));
}

TableReport report_on(std::string_view kind, const std::vector<sim::io::CsvTable>& tables,
                      const hardware::Device& device, const std::string& implementation) {
  TableReport report;
  std::map<std::string, Collected> parts;
  for (const sim::io::CsvTable& table : tables) {
    const TablePredictions predictions = predict_table(kind, table, device, implementation);
    check_units(table, predictions, report.notes);
    for (const TaskPrediction& p : predictions)
      collect(table, p, parts[std::string(part_of(kind, *p.task))]);
    for (std::string& note : notes_on(table, device, predictions))
      if (std::ranges::find(report.notes, note) == report.notes.end())
        report.notes.push_back(std::move(note));
  }
  for (const TimeColumn& time : time_columns(kind)) {
    Collected& c = parts[std::string(time.part)];
    if (c.all.empty())
      throw sim::InputError(fmt::format("{}: no measured times for {}{}",
                                        tables.empty() ? "" : tables.front().name(), kind,
                                        time.part.empty() ? "" : fmt::format(", {}", time.part)));
    PartReport part;
    part.part = time.part;
    part.good = summarise(c.good);
    part.all = summarise(c.all);
    for (const auto& [regime, comparisons] : c.by_regime)
      part.by_regime[regime] = summarise(comparisons);
    part.worst = worst_of(std::move(c.rows), tables);
    report.parts.push_back(std::move(part));
  }
  return report;
}

}  // namespace moesim::validation
