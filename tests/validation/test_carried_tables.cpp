// H100's fits on tables of H200, which they have not seen, as they are carried over and as they
// would be with nothing but the datasheet's bandwidth (hardware/carry_over.h). Skipped, visibly,
// where the tables are not beside the source tree. What they say is kept in
// tests/golden/carried_tables.csv (MOESIM_UPDATE_GOLDEN=1 rewrites it), of which tests/docs makes a
// table of validation/README.md.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "hardware/carry_over.h"
#include "sim/io/atomic_file.h"
#include "validation/compare/table_report.h"

using namespace moesim;
using namespace moesim::validation;

namespace {

struct Table {
  const char* kind;
  const char* implementation;
  const char* file;
  double median, p90;  // of the absolute error, percent: must hold
};

constexpr Table kTables[] = {
    {"gemm", "trtllm", "gemm_h200_trtllm_60", 4.5, 15},
    {"context_attention", "trtllm", "ctx_attn_h200_trtllm_60", 3.5, 9},
    {"context_mla", "trtllm", "context_mla_h200_trtllm_60", 4, 9},
    {"moe", "trtllm", "moe_h200_trtllm_60", 6, 15},
    {"moe", "sglang", "moe_h200_sglang_ep1_60", 9, 20},
    {"wideep_moe", "deepgemm", "wideep_moe_prefill_h200_sglang_60", 9, 20},
};

const std::filesystem::path kData = "../shared/data/measured_few";

// H200 with the fits of H100 alone.
hardware::Device h200_of_h100(bool passes_carried) {
  const auto h100 = hardware::load_device("configs/devices/h100.yaml");
  hardware::Device h200 = hardware::load_device("configs/devices/h200.yaml");
  h200.fitted.clear();
  for (hardware::FittedModel model : h100.fitted) {
    model.carried_from = h100.name;
    h200.fitted.push_back(passes_carried ? carried_over(std::move(model), h100, h200) : model);
  }
  return h200;
}

// Of the rows that the table does not flag.
ErrorSummary errors(const Table& t, const sim::io::CsvTable& table,
                    const hardware::Device& device) {
  return report_on(t.kind, {table}, device, t.implementation).parts.at(0).good;
}

}  // namespace

TEST_CASE("passes that gain less than the bandwidth price the tables of H200 better") {
  if (!std::filesystem::is_directory(kData)) {
    std::puts("SKIPPED: the measured tables are not at ../shared/data/measured_few");
    return;
  }
  const hardware::Device by_bandwidth = h200_of_h100(false), carried = h200_of_h100(true);
  std::string figures = "table,rows,median_before,p90_before,bias_before,median,p90,bias\n";
  double sum_before = 0, sum = 0;
  for (const Table& t : kTables) {
    CAPTURE(t.file);
    const auto table = sim::io::CsvTable::read(kData / (std::string(t.file) + ".csv"));
    const ErrorSummary before = errors(t, table, by_bandwidth), now = errors(t, table, carried);
    CHECK(now.median <= t.median);
    CHECK(now.p90 <= t.p90);
    sum_before += before.mape;
    sum += now.mape;
    figures += fmt::format("{},{},{:.2f},{:.2f},{:.2f},{:.2f},{:.2f},{:.2f}\n", t.file, now.n,
                           before.median, before.p90, before.bias, now.median, now.p90, now.bias);
  }
  CHECK(sum < 0.95 * sum_before);
  const std::filesystem::path golden = "tests/golden/carried_tables.csv";
  if (std::getenv("MOESIM_UPDATE_GOLDEN") != nullptr) sim::io::write_file(golden, figures);
  CHECK(figures == sim::io::read_text(golden));
}
