#include "validation/compare/table_prediction.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "hardware/choose_fitted.h"
#include "hardware/collectives/models.h"
#include "hardware/kernels/fitted.h"
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
  bool answered = false;
  bool extrapolated = false;
  std::string_view carried_from = {}, guess = {};
};

// What a word that we do not know may hide is no less than what another number format does
// (choose_fitted.cpp): the widest of those, products whose quantisation nobody counted.
constexpr double kGuessDoubt = 0.8;

hardware::Estimate in_doubt(hardware::Estimate e, double doubt) {
  const auto wider = [](double ratio, double d) { return std::hypot(std::log(ratio), d); };
  e.low = std::exp(-wider(e.low, doubt));
  e.p10 = std::exp(-wider(e.p10, hardware::kDecile * doubt));
  e.p90 = std::exp(wider(e.p90, hardware::kDecile * doubt));
  e.high = std::exp(wider(e.high, doubt));
  e.extrapolated = true;
  return e;
}

hardware::Chosen choose(const hardware::Device& device, const Task& task) {
  const hardware::Chosen own =
      hardware::choose_fitted(device, task.kind(), task.implementation(), task.variant());
  if (own.model || task.kind() != "nccl" || task.variant() != "broadcast") return own;
  hardware::Chosen gather =
      hardware::choose_fitted(device, task.kind(), task.implementation(), "all_gather");
  gather.stand_in = true;
  gather.doubt = std::hypot(gather.doubt, hardware::kOtherOperationDoubt);
  return gather;
}

// Of a row: the first that holds of any of its times.
std::string provenance_of(const std::vector<std::vector<Cell>>& cells, std::size_t row) {
  std::string_view carried_from, guess;
  bool extrapolated = false, answered = false;
  for (const std::vector<Cell>& column : cells) {
    const Cell& cell = column[row];
    answered |= cell.answered;
    extrapolated |= cell.extrapolated;
    if (!cell.carried_from.empty()) carried_from = cell.carried_from;
    if (!cell.guess.empty()) guess = cell.guess;
  }
  if (!answered) return "none";
  if (!guess.empty()) return fmt::format("extrapolated: {}", guess);
  if (extrapolated) return "extrapolated";
  return carried_from.empty() ? "fitted" : fmt::format("taken over from {}", carried_from);
}

// "3 rows" of "1 row".
std::string rows_text(std::size_t n) {
  return fmt::format("{} row{}", n, n == 1 ? "" : "s");
}

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

TablePredictions predict_table(std::string_view kind, const sim::io::CsvTable& table,
                               const hardware::Device& device, const std::string& implementation) {
  TablePredictions predictions;
  Tasks tasks = read_tasks(kind, table, device, implementation);
  predictions.apart = std::move(tasks.apart);
  for (std::unique_ptr<Task>& task : tasks) {
    const hardware::Chosen chosen = choose(device, *task);
    TaskPrediction p;
    p.unfitted = chosen.model == nullptr && !task->composed();
    p.model = chosen.model ? *chosen.model : figures_of(*task, device);
    p.stand_in = chosen.stand_in;
    p.estimates = task->estimates(p.model, chosen.doubt);
    if (p.unfitted)
      for (hardware::Estimate& e : p.estimates) e.extrapolated = true;
    for (std::size_t i = 0; i < p.estimates.size(); ++i)
      if (!task->items()[i].guess.empty()) p.estimates[i] = in_doubt(p.estimates[i], kGuessDoubt);
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

std::vector<std::string> notes_on(const sim::io::CsvTable& table, const hardware::Device& device,
                                  const TablePredictions& predictions) {
  std::vector<std::string> notes;
  std::map<std::string_view, std::string> carried;  // what, by whose
  std::map<std::string_view, std::size_t> guesses, apart;
  for (const TaskPrediction& p : predictions) {
    if (std::string caveat = caveat_of(p); !caveat.empty()) notes.push_back(std::move(caveat));
    for (const Item& item : p.task->items())
      if (!item.guess.empty() && part_of(p.task->kind(), *p.task) != "combine")
        ++guesses[item.guess];
    if (p.model.carried_from.empty() || p.model.other_generation) continue;
    std::string& list = carried[p.model.carried_from];
    list += fmt::format("{}{} {} {}", list.empty() ? "" : ", ", p.model.kind,
                        p.model.implementation, p.model.variant);
  }
  for (const auto& [from, list] : carried)
    notes.push_back(
        fmt::format("{} has no fit of its own: taken over from {}: {}", device.name, from, list));
  for (const auto& [guess, n] : guesses)
    notes.push_back(
        fmt::format("{}: {}: {}, in doubt (extrapolated)", table.name(), rows_text(n), guess));
  for (const RowApart& row : predictions.apart) ++apart[row.why];
  for (const auto& [why, n] : apart)
    notes.push_back(
        fmt::format("{}: {} set apart, without a prediction: {}", table.name(), rows_text(n), why));
  return notes;
}

std::string_view part_of(std::string_view kind, const Task& task) {
  for (const TimeColumn& column : time_columns(kind))
    if (std::string_view(task.variant()).starts_with(column.part)) return column.part;
  return "";
}

std::string with_predictions(std::string_view kind, const sim::io::CsvTable& table,
                             const TablePredictions& predictions) {
  const std::span<const TimeColumn> times = time_columns(kind);
  std::vector<std::vector<Cell>> cells(times.size(), std::vector<Cell>(table.rows()));
  for (const TaskPrediction& p : predictions) {
    std::size_t part = 0;
    while (times[part].part != part_of(kind, *p.task)) ++part;
    for (std::size_t i = 0; i < p.estimates.size(); ++i) {
      const hardware::Estimate& e = p.estimates[i];
      const Item& item = p.task->items()[i];
      cells[part][item.row] = {
          .us = {e.us, e.us * e.p10, e.us * e.p90, e.us * e.low, e.us * e.high},
          .answered = true,
          .extrapolated = e.extrapolated,
          .carried_from = p.model.carried_from,
          .guess = item.guess};
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
      for (const double us : column[row].us)
        column[row].answered ? writer.add(rounded(us)) : writer.add("");
    const auto apart = std::ranges::find(predictions.apart, row, &RowApart::row);
    writer.add(apart == predictions.apart.end() ? provenance_of(cells, row)
                                                : fmt::format("none: {}", apart->why));
    writer.end_row();
  }
  return writer.text();
}

}  // namespace moesim::validation
