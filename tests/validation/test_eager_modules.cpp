// What vLLM's modules take beside their kernels, against the tables that it was read from. Skipped,
// visibly, where they are not beside the source tree.
#include "validation/tables/eager_modules.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "hardware/device.h"
#include "validation/compare/table_prediction.h"

using namespace moesim;
using namespace moesim::validation;

namespace {

struct Row {
  std::string heads;
  double cache_bytes = 0, tokens = 0, measured_us = 0, kernels_us = 0;
};

std::vector<Row> rows_of(const char* kind, const EagerModule& module) {
  const std::filesystem::path file =
      std::filesystem::path("../shared/data/measured") / (std::string(kind) + "_h100_vllm.csv.gz");
  if (!std::filesystem::exists(file)) return {};
  const auto table = sim::io::CsvTable::read(file);
  const auto device = hardware::load_device("configs/devices/h100.yaml");
  const auto predictions = predict_table(kind, table, device, "vllm");
  REQUIRE(predictions.size() == 1);
  REQUIRE(predictions[0].estimates.size() == table.rows());
  std::vector<Row> rows;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const auto number = [&](const char* column) { return table.number(i, table.column(column)); };
    Row row{.heads = std::string(table.text(i, table.column("num_heads"))),
            .cache_bytes = table.text(i, table.column("kv_cache_dtype")) == "fp8" ? 1.0 : 2.0,
            .tokens = number("batch_size") * number("isl"),
            .measured_us = number("latency_us")};
    row.kernels_us = predictions[0].estimates[i].us -
                     eager_us(module, row.cache_bytes, static_cast<std::int64_t>(row.tokens));
    rows.push_back(std::move(row));
  }
  return rows;
}

// Of what kernels and tokens leave of a time, a row weighing as its part of the time does.
double constant_of(const std::vector<Row>& rows, double cache_bytes, double token_us,
                   const std::string& without) {
  std::vector<std::pair<double, double>> left;  // us, weight
  double weight = 0;
  for (const Row& row : rows) {
    if (row.cache_bytes != cache_bytes || row.heads == without) continue;
    left.emplace_back(row.measured_us - row.kernels_us - token_us * row.tokens,
                      1 / row.measured_us);
    weight += left.back().second;
  }
  std::ranges::sort(left);
  double seen = 0;
  for (const auto& [us, w] : left) {
    seen += w;
    if (seen >= weight / 2) return us;
  }
  return NAN;
}

void check(const char* kind, const EagerModule& shipped, double median, double p90) {
  const std::vector<Row> rows = rows_of(kind, shipped);
  if (rows.empty()) {
    std::puts("SKIPPED: the measured tables are not at ../shared/data/measured");
    return;
  }
  CHECK(std::abs(constant_of(rows, 2, shipped.token_us, "") - shipped.cache_16bit_us) < 0.5);
  CHECK(std::abs(constant_of(rows, 1, shipped.token_us, "") - shipped.cache_8bit_us) < 0.5);

  // With the rows of each number of heads held out.
  std::vector<double> errors;
  for (const std::string heads : {"2", "4", "16"}) {
    const EagerModule others{constant_of(rows, 2, shipped.token_us, heads),
                             constant_of(rows, 1, shipped.token_us, heads), shipped.token_us};
    for (const Row& row : rows) {
      if (row.heads != heads) continue;
      const double us =
          row.kernels_us + eager_us(others, row.cache_bytes, static_cast<std::int64_t>(row.tokens));
      errors.push_back(std::abs(us / row.measured_us - 1) * 100);
    }
  }
  CHECK(errors.size() == rows.size());
  std::ranges::sort(errors);
  CAPTURE(errors[errors.size() / 2]);
  CAPTURE(errors[errors.size() * 9 / 10]);
  CHECK(std::abs(errors[errors.size() / 2] - median) < 0.3);
  CHECK(std::abs(errors[errors.size() * 9 / 10] - p90) < 0.6);
}

}  // namespace

TEST_CASE("a pass and its tokens add up") {
  // 62.9 us with a cache of 8 bits and 64 times 0.024; 44 and nothing with one of 16.
  CHECK(eager_us(kEagerDecode, 1, 64) == doctest::Approx(64.436));
  CHECK(eager_us(kEagerDecode, 2, 0) == doctest::Approx(44));
}

TEST_CASE("vLLM's decodes of latent attention take what their table says, whatever the heads") {
  check("mla_generation_module", kEagerDecode, 4.9, 14.0);
}

TEST_CASE("and so do its prompts") {
  check("mla_context_module", kEagerPrompt, 5.3, 14.8);
}
