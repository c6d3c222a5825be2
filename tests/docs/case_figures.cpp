#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/io/csv.h"
#include "sim/io/yaml_reader.h"
#include "tests/docs/case_rows.h"
#include "tests/docs/figures.h"
#include "validation/choices.h"
#include "validation/statistics.h"

namespace moesim::tests {
namespace {

using sim::io::CsvTable;

const std::vector<std::string> kSteps{"decode", "prefill_4k", "steps"};

struct Summary {
  std::size_t figures = 0, within = 0;
  double median = 0, least = 0, most = 0;  // percent: of the absolute errors; of the errors
};

Summary summary_of(const std::vector<CaseRow>& rows) {
  Summary s{.figures = rows.size(), .least = 1e9, .most = -1e9};
  std::vector<double> absolute;
  for (const CaseRow& row : rows) {
    s.within += row.within ? 1 : 0;
    s.least = std::min(s.least, row.error_percent);
    s.most = std::max(s.most, row.error_percent);
    absolute.push_back(std::abs(row.error_percent));
  }
  s.median = validation::quantile(absolute, 0.5);
  return s;
}

std::string summary_table() {
  std::string table = "\n| cases | figures | within tolerance | median |\n|---|---|---|---|\n";
  const auto add = [&](const char* what, const std::vector<std::string>& groups) {
    const Summary s = summary_of(case_rows(groups));
    table += fmt::format("| {} | {} | {} | {:.1f} |\n", what, s.figures, s.within, s.median);
  };
  add("exchanges of tokens: DeepEP at 8 to 256 GPUs, HybridEP, UCCL, pplx", {"exchanges"});
  add("memory of serving and training, counts of models", {"memory"});
  add("steps of training: mixture layers, one node, 16 to 2,048 GPUs; what routing costs",
      {"training"});
  add("whole steps: DeepSeek's profiles, SGLang and Ant Group deployments, TensorRT-LLM", kSteps);
  return table;
}

std::string steps_table() {
  std::string table =
      "\n| case | measured | predicted | error | within |\n|---|---:|---:|---:|---:|\n";
  for (const CaseRow& row : case_rows(kSteps)) {
    table += fmt::format("| `{}` | {:.4g} | {:.4g} | {:+.0f} % | {} %{} |\n", row.file,
                         row.measured, row.predicted, row.error_percent, row.within_percent,
                         row.within ? "" : ", missed");
  }
  return table;
}

// What the case says of a figure under a key; empty where it says nothing.
std::string said_by(const CaseRow& row, const char* key) {
  const auto document = sim::io::YamlDocument::load("validation/cases/" + row.file + ".yaml");
  for (const sim::io::YamlNode& node : document.root().at("measured").items()) {
    if (node.at("metric").text() != row.metric) continue;
    if (const auto found = node.find(key)) return found->text();
  }
  return {};
}

// The case's name, but for what all of a question's have at its front.
std::string options_text(const std::vector<CaseRow>& options) {
  std::string common = options.front().file, text;
  for (const CaseRow& row : options)
    while (!row.file.starts_with(common)) common.pop_back();
  common.resize(common.rfind('-') == std::string::npos ? 0 : common.rfind('-') + 1);
  for (const CaseRow& row : options)
    text += (text.empty() ? "" : ", ") + row.file.substr(common.size());
  return text;
}

// What sources measured of several options for one question: the best of them, and ours.
std::string choices_table() {
  std::map<std::string, std::vector<CaseRow>> questions;
  for (const CaseRow& row : case_rows({"decode", "prefill_4k", "steps", "training"})) {
    if (const std::string question = said_by(row, "question"); !question.empty())
      questions[question].push_back(row);
  }
  std::string table =
      "\n| question | options | measured best | ours | best over ours, measured | pairs over 10 % "
      "in "
      "order |\n|---|---|---|---|---:|---:|\n";
  validation::Questions all;
  for (auto& [question, options] : questions) {
    std::vector<validation::MeasuredOption>& values = all[question];
    for (const CaseRow& row : options) {
      const bool time = row.metric.ends_with("_us");
      values.push_back(
          {time ? 1 / row.measured : row.measured, time ? 1 / row.predicted : row.predicted});
    }
    const auto at = [&](auto member) {
      return static_cast<std::size_t>(std::ranges::max_element(values, {}, member) -
                                      values.begin());
    };
    const std::size_t best = at(&validation::MeasuredOption::measured),
                      ours = at(&validation::MeasuredOption::predicted);
    const validation::RankedPairs pairs = validation::pairs_of({{question, values}}, 1.1);
    table += fmt::format("| {} | {} | `{}` | {} | {:.2f} | {} of {} |\n", question,
                         options_text(options), options[best].file,
                         best == ours ? std::string("the same") : "`" + options[ours].file + "`",
                         values[best].measured / values[ours].measured, pairs.right, pairs.pairs);
  }
  const validation::Chosen chosen = validation::choices_of(all).all();
  const validation::RankedPairs pairs = validation::pairs_of(all, 1.1);
  return table + fmt::format("| all | | | {} of {} right, {:.0f} % | | {} of {}, {:.0f} % |\n",
                             chosen.right, chosen.questions, chosen.percent(), pairs.right,
                             pairs.pairs, pairs.percent());
}

std::vector<CaseRow> misses(const std::vector<std::string>& groups) {
  std::vector<CaseRow> rows = case_rows(groups);
  std::erase_if(rows, [](const CaseRow& row) { return row.within; });
  return rows;
}

std::string misses_table() {
  std::string table = "\n| case | figure | error | why |\n|---|---|---:|---|\n";
  for (const CaseRow& row : misses({"exchanges", "memory", "decode", "prefill_4k", "steps"})) {
    table += fmt::format("| `{}` | `{}` | {:+.0f} % | {} |\n", row.file, row.metric,
                         row.error_percent, known_miss(row));
  }
  return table;
}

// "`a` (+47 %), `b` (-24 %)"
std::string misses_in_words(const std::vector<std::string>& groups) {
  std::string text;
  for (const CaseRow& row : misses(groups)) {
    text +=
        fmt::format("{}`{}` ({:+.0f} %)", text.empty() ? "" : ", ", row.file, row.error_percent);
  }
  return text;
}

std::string exchanges_in_words() {
  const Summary s = summary_of(case_rows({"exchanges"}));
  return fmt::format("{} figures, {} of them within 15 %, median error {:.1f} %; missed: {}",
                     s.figures, s.within, s.median, misses_in_words({"exchanges"}));
}

std::string memory_table() {
  std::string table =
      "\n| against | figures | error | median of it, absolute |\n|---|---:|---:|---:|\n";
  const std::vector<CaseRow> rows = case_rows({"memory"});
  const auto add = [&](const char* what, const std::vector<std::string_view>& prefixes) {
    std::vector<CaseRow> of;
    for (const CaseRow& row : rows) {
      if (std::ranges::any_of(prefixes,
                              [&](std::string_view p) { return row.file.starts_with(p); }))
        of.push_back(row);
    }
    const Summary s = summary_of(of);
    table += fmt::format("| {} | {} | {:+.2f} to {:+.2f} % | {:.2f} % |\n", what, s.figures,
                         s.least, s.most, s.median);
  };
  add("vLLM: weights of Llama 3 8B, one and two GPUs", {"mem-vllm-llama3-8b"});
  add("vLLM and SGLang: Qwen3-235B over GPUs of one node", {"mem-vllm-qwen3-235b"});
  add("Megatron-LM on 8 B200, by layout (SimuMax)", {"train-simumax", "mem-simumax"});
  add("Megatron-LM's golden values of Mixtral, last rank", {"train-golden"});
  add("Megatron-Bridge, Moonlight on 8 H100, by recompute policy", {"train-skill"});
  return table;
}

}  // namespace

std::vector<CaseRow> case_rows(const std::vector<std::string>& groups) {
  std::vector<CaseRow> rows;
  for (const std::string& group : groups) {
    const CsvTable table = CsvTable::read("tests/golden/cases/" + group + ".csv");
    const auto text = [&](std::size_t row, const char* column) {
      return std::string(table.text(row, table.column(column)));
    };
    const auto number = [&](std::size_t row, const char* column) {
      return table.number(row, table.column(column));
    };
    for (std::size_t i = 0; i < table.rows(); ++i) {
      CaseRow row{.file = text(i, "case"),
                  .metric = text(i, "metric"),
                  .measured = number(i, "measured"),
                  .predicted = number(i, "predicted"),
                  .error_percent = number(i, "error_percent"),
                  .within_percent = number(i, "within_percent")};
      row.within = std::abs(row.error_percent) <= row.within_percent;
      if (!text(i, "step_us").empty()) {
        row.step_us = number(i, "step_us");
        row.host_us = number(i, "host_us");
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string known_miss(const CaseRow& row) {
  return said_by(row, "known_miss");
}

void add_case_figures(Figures& figures) {
  figures["published cases"] = summary_table;
  figures["published steps"] = steps_table;
  figures["published memory"] = memory_table;
  figures["published exchanges"] = exchanges_in_words;
  figures["known misses"] = misses_table;
  figures["choices of cases"] = choices_table;
  figures["known misses of steps"] = [] { return misses_in_words(kSteps); };
}

}  // namespace moesim::tests
