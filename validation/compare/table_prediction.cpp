#include "validation/compare/table_prediction.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "hardware/choose_fitted.h"
#include "hardware/collectives/models.h"
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
  std::array<double, 5> us{};  // predicted, 10th and 90th percentile, 5th and 95th
  bool extrapolated = false;
};

// The formula with the values that its fits start from, and no more than it is worth: H100's
// efficiencies moved over two generations are a factor of two off at most rows, and three at some.
hardware::FittedModel figures_of(const Task& task, const hardware::Device& device) {
  // A step plays collectives by defaults of their own.
  if (auto own = hardware::default_fit(device, task.kind(), task.implementation(), task.variant()))
    return *std::move(own);
  hardware::FittedModel model;
  model.kind = task.kind();
  model.implementation = task.implementation();
  model.variant = task.variant();
  for (const ParameterInfo& p : task.parameters())
    model.parameters[std::string(p.name)] = p.initial;
  // They say nothing of a range.
  for (const std::string_view axis : task.axis_names())
    model.valid[std::string(axis)] = {0, std::numeric_limits<double>::max()};
  model.interval[""] = {1 / 3.0, 1 / 2.35, 2.35, 3.0};
  model.provenance = {.origin = hardware::Origin::Extrapolated, .source = "round figures"};
  return model;
}

}  // namespace

std::vector<TaskPrediction> predict_table(std::string_view kind, const sim::io::CsvTable& table,
                                          const hardware::Device& device,
                                          const std::string& implementation) {
  std::vector<TaskPrediction> predictions;
  for (std::unique_ptr<Task>& task : read_tasks(kind, table, device, implementation)) {
    const hardware::Chosen chosen =
        hardware::choose_fitted(device, task->kind(), task->implementation(), task->variant());
    TaskPrediction p;
    p.unfitted = chosen.model == nullptr && !task->composed();
    p.model = chosen.model ? *chosen.model : figures_of(*task, device);
    p.stand_in = chosen.stand_in;
    p.estimates = task->estimates(p.model, chosen.doubt);
    if (p.unfitted)
      for (hardware::Estimate& e : p.estimates) e.extrapolated = true;
    p.task = std::move(task);
    predictions.push_back(std::move(p));
  }
  return predictions;
}

std::string caveat_of(const TaskPrediction& p) {
  const std::string what =
      fmt::format("{} {} {}", p.task->kind(), p.task->implementation(), p.task->variant());
  if (p.unfitted)
    return fmt::format(
        "{}: the device has no fit of that kind; predicted with round figures "
        "(extrapolated)",
        what);
  std::string text;
  if (p.stand_in)
    text = fmt::format("{}: predicted with the parameters of {} {}", what, p.model.implementation,
                       p.model.variant);
  if (p.model.other_generation)
    text += fmt::format("{} {}, another architecture",
                        text.empty() ? what + ": predicted with parameters of" : " of",
                        p.model.carried_from);
  return text.empty() ? text : text + " (extrapolated)";
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
      cells[part][p.task->items()[i].row] = {
          {e.us, e.us * e.p10, e.us * e.p90, e.us * e.low, e.us * e.high}, e.extrapolated};
    }
  }
  std::vector<std::string> ours;
  for (const TimeColumn& t : times)
    for (const std::string_view suffix : {"", "p10", "p90", "p05", "p95"})
      ours.push_back(column_name(t.predicted, suffix));
  ours.emplace_back("predicted_provenance");
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
    for (const std::vector<Cell>& column : cells)
      for (const double us : column[row].us) writer.add(rounded(us));
    writer.add(std::ranges::any_of(cells, [&](const auto& c) { return c[row].extrapolated; })
                   ? "extrapolated"
                   : "fitted");
    writer.end_row();
  }
  return writer.text();
}

}  // namespace moesim::validation
