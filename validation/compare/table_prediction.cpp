#include "validation/compare/table_prediction.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "hardware/choose_fitted.h"
#include "sim/error.h"

namespace moesim::validation {
namespace {

// A digit of a predicted time beyond the fifth says nothing.
double rounded(double us) {
  if (!(us > 0)) return us;
  const double scale = std::pow(10, 5 - std::ceil(std::log10(us)));
  return std::round(us * scale) / scale;
}

std::string column_name(std::string_view predicted, std::string_view suffix) {
  std::string name(predicted);  // "predicted_us" -> "predicted_p10_us"
  if (!suffix.empty()) name.insert(name.rfind("_us"), fmt::format("_{}", suffix));
  return name;
}

struct Cell {
  double us = 0, low = 0, high = 0;
};

}  // namespace

std::vector<TaskPrediction> predict_table(std::string_view kind, const sim::io::CsvTable& table,
                                          const hardware::Device& device,
                                          const std::string& implementation) {
  std::vector<TaskPrediction> predictions;
  for (std::unique_ptr<Task>& task : read_tasks(kind, table, device, implementation)) {
    const hardware::Chosen chosen =
        hardware::choose_fitted(device, task->kind(), task->implementation(), task->variant());
    if (!chosen.model) {
      const std::string known = hardware::fitted_list(device, task->kind());
      throw sim::ConfigError(fmt::format(
          "{}: no fitted model for {} {} {}; {}", device.name, task->kind(), task->implementation(),
          task->variant(),
          known.empty() ? "the device has none of that kind: moesim calibrate fit makes one"
                        : "it has " + known));
    }
    TaskPrediction p;
    p.estimates = task->estimates(*chosen.model, chosen.stand_in);
    p.task = std::move(task);
    p.model = chosen.model;
    p.stand_in = chosen.stand_in;
    predictions.push_back(std::move(p));
  }
  return predictions;
}

std::string_view part_of(std::string_view kind, const Task& task) {
  for (const TimeColumn& column : time_columns(kind))
    if (std::string_view(task.variant()).starts_with(column.part)) return column.part;
  return "";
}

std::string with_predictions(std::string_view kind, const sim::io::CsvTable& table,
                             const std::vector<TaskPrediction>& predictions) {
  const std::span<const TimeColumn> times = time_columns(kind);
  std::vector<std::vector<Cell>> cells(times.size(), std::vector<Cell>(table.rows()));
  for (const TaskPrediction& p : predictions) {
    std::size_t part = 0;
    while (times[part].part != part_of(kind, *p.task)) ++part;
    for (std::size_t i = 0; i < p.estimates.size(); ++i) {
      const hardware::Estimate& e = p.estimates[i];
      cells[part][p.task->items()[i].row] = {e.us, e.us * e.low, e.us * e.high};
    }
  }
  std::vector<std::string> ours;
  for (const TimeColumn& t : times)
    for (const std::string_view suffix : {"", "p10", "p90"})
      ours.push_back(column_name(t.predicted, suffix));
  std::vector<std::size_t> kept;
  std::vector<std::string> names;
  for (std::size_t c = 0; c < table.columns().size(); ++c) {
    if (std::ranges::find(ours, table.columns()[c]) != ours.end()) continue;
    kept.push_back(c);
    names.push_back(table.columns()[c]);
  }
  names.insert(names.end(), ours.begin(), ours.end());
  sim::io::CsvWriter writer(names);
  for (std::size_t row = 0; row < table.rows(); ++row) {
    for (const std::size_t c : kept) writer.add(table.text(row, c));
    for (const std::vector<Cell>& column : cells) {
      writer.add(rounded(column[row].us));
      writer.add(rounded(column[row].low));
      writer.add(rounded(column[row].high));
    }
    writer.end_row();
  }
  return writer.text();
}

}  // namespace moesim::validation
