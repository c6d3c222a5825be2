// What real cards gave (validation/measured): the summaries of their calibrations, and how far the
// fits that ship, of public tables, are off on a card that nobody fitted on.
#include <fmt/format.h>

#include <array>
#include <filesystem>

#include "hardware/device.h"
#include "sim/io/csv.h"
#include "tests/docs/figures.h"
#include "validation/calibrate/import_points.h"
#include "validation/compare/table_report.h"

namespace moesim::tests {
namespace {

namespace fs = std::filesystem;

const fs::path kMeasured = "validation/measured";

sim::io::CsvTable table_of(const std::string& text) {
  return sim::io::CsvTable::parse(text, "points");
}

// The products of cuBLASLt among a card's points, as a public table has them.
sim::io::CsvTable gemm_table(const fs::path& card) {
  const auto points = table_of(sim::io::read_text(card / "points.csv"));
  const auto imported = validation::import_points(points, {.roles = {"fit", "holdout"}});
  const auto table = table_of(imported.csv);
  std::string text = "gemm_dtype,m,n,k,latency_us\n";
  const auto of = [&](std::size_t row, const char* column) {
    return table.text(row, table.column(column));
  };
  for (std::size_t i = 0; i < table.rows(); ++i) {
    if (of(i, "op") != "gemm" || of(i, "impl") != "cublaslt") continue;
    text += fmt::format("bfloat16,{},{},{},{}\n", of(i, "loads"), of(i, "n"), of(i, "k"),
                        of(i, "p50_us"));
  }
  return table_of(text);
}

struct Checked {
  const char* what;
  const char* kind;
  const char* implementation;  // whose fits price it
  sim::io::CsvTable table;
};

std::string checks_of(const std::string& card, const std::string& device_name) {
  const hardware::Device device = hardware::load_device("configs/devices/" + device_name + ".yaml");
  std::string text =
      "\n| measured | priced as | rows | median | p90 | bias | in the 90 % interval |\n"
      "|---|---|---:|---:|---:|---:|---:|\n";
  const Checked checks[] = {
      {"products, cuBLASLt, bf16", "gemm", "trtllm", gemm_table(kMeasured / card)},
      {"the same", "gemm", "sglang", gemm_table(kMeasured / card)},
  };
  for (const Checked& check : checks) {
    const auto report =
        validation::report_on(check.kind, {check.table}, device, check.implementation);
    const auto& all = report.parts.front().all;
    text += fmt::format("| {} | {} {} | {} | {:.1f} | {:.1f} | {:+.1f} | {:.0f} % |\n", check.what,
                        check.kind, check.implementation, all.n, all.median, all.p90, all.bias,
                        all.coverage90);
  }
  return text;
}

}  // namespace

void add_card_figures(Figures& figures) {
  for (const std::string card : {"h100-2026-11-28", "h200-2026-11-28"}) {
    figures["summary of " + card] = [card] {
      return "\n```\n" + sim::io::read_text(kMeasured / card / "summary.txt") + "```\n";
    };
    const std::string device = card.substr(0, card.find('-'));
    figures["checks of " + device] = [=] { return checks_of(card, device); };
  }
}

}  // namespace moesim::tests
