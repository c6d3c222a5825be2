// What real cards gave (validation/measured): the summaries of their calibrations, and how far the
// fits that ship, of public tables, are off on a card that nobody fitted on.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <vector>

#include "hardware/device.h"
#include "hardware/kernels/kernels.h"
#include "hardware/kernels/training_attention.h"
#include "hardware/kernels/training_product.h"
#include "sim/io/csv.h"
#include "tests/docs/figures.h"
#include "validation/calibrate/import_points.h"
#include "validation/compare/table_report.h"
#include "validation/statistics.h"

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
};

std::string checks_of(const std::string& card, const std::string& device_name) {
  const hardware::Device device = hardware::load_device("configs/devices/" + device_name + ".yaml");
  std::string text =
      "\n| measured | priced as | rows | median | p90 | bias | in the 90 % interval |\n"
      "|---|---|---:|---:|---:|---:|---:|\n";
  const std::vector<sim::io::CsvTable> products{gemm_table(kMeasured / card)};
  const Checked checks[] = {{"products, cuBLASLt, bf16", "gemm", "trtllm"},
                            {"the same", "gemm", "sglang"}};
  for (const Checked& check : checks) {
    const auto report = validation::report_on(check.kind, products, device, check.implementation);
    const auto& all = report.parts.front().all;
    text += fmt::format("| {} | {} {} | {} | {:.1f} | {:.1f} | {:+.1f} | {:.0f} % |\n", check.what,
                        check.kind, check.implementation, all.n, all.median, all.p90, all.bias,
                        all.coverage90);
  }
  return text;
}

// Each training kernel as a step prices it: products as GEMM of their own shapes, experts as one
// for each, casts and sums as bytes, cores by cuDNN's fits.
std::string training_checks() {
  const hardware::Device device = hardware::load_device("configs/devices/h100.yaml");
  const hardware::Kernels kernels(device, {});
  const hardware::TrainingAttention cores(device, hardware::TrainingCore::CuDnn);
  const auto csv = sim::io::CsvTable::read(kMeasured / "h100-2026-11-28/training_kernels.csv");
  const auto gemm = [&](std::int64_t m, std::int64_t n, std::int64_t k,
                        hardware::Precision precision) {
    return kernels.gemm({.m = m, .n = n, .k = k, .precision = precision});
  };
  std::map<std::string, std::vector<validation::Comparison>> found;
  for (std::size_t i = 0; i < csv.rows(); ++i) {
    const auto text = [&](const char* column) {
      return std::string(csv.text(i, csv.column(column)));
    };
    const auto number = [&](const char* column) {
      return static_cast<std::int64_t>(csv.number(i, csv.column(column)));
    };
    if (text("p50_us").empty()) continue;
    const std::string op = text("op");
    const std::int64_t groups = number("groups"), m = number("m"), n = number("n"), k = number("k");
    hardware::KernelCost cost;
    double host_us = 0;  // that the timing holds
    if (op == "forward" || op == "dgrad" || op == "wgrad" || op == "wgrad_fp32") {
      const bool fp8 = text("dtype") == "fp8";
      cost = gemm(m, n, k, fp8 ? hardware::Precision::FP8 : hardware::Precision::BF16);
      // Written in fp32 and not added to a sum: 2 bytes a number more.
      if (op == "wgrad_fp32")
        cost.time += product_sum(kernels, {.m = k, .n = m, .k = n, .accumulate_bytes = 2}).time;
    } else if (op.starts_with("grouped")) {
      cost = gemm(m, n, k, hardware::Precision::BF16);
      cost.time *= groups;
    } else if (op.starts_with("attention") && text("impl") == "cudnn") {
      const hardware::TrainingAttentionShape shape{.sequences = groups,
                                                   .queries = m,
                                                   .keys = m,
                                                   .heads = n,
                                                   .kv_heads = k,
                                                   .qk_dim = number("width_k"),
                                                   .v_dim = number("width_v")};
      cost = op == "attention_forward" ? cores.forward(shape) : cores.backward(shape);
      host_us = op == "attention_forward" ? 90 : 130;
    } else if (op == "cast" || op == "add" || op == "gather" || op == "rms_norm") {
      const std::int64_t bytes = op == "cast" ? 3 : op == "add" ? 6 : 4;
      cost = kernels.elementwise({.bytes = sim::Bytes(bytes * m * n)});
    } else {
      continue;
    }
    const double kernel_us = sim::to_us(cost.time), us = host_us + kernel_us;
    found[op + ", " + text("impl") + ", " + text("dtype")].push_back(
        {.measured = csv.number(i, csv.column("p50_us")),
         .predicted = us,
         .low = host_us + kernel_us * cost.trust.low,
         .high = host_us + kernel_us * cost.trust.high});
  }
  std::string table =
      "\n| kernel | rows | median | p90 | bias | in the 90 % interval "
      "|\n|---|---:|---:|---:|---:|---:|\n";
  for (const auto& [what, comparisons] : found) {
    const auto all = validation::summarise(comparisons);
    table += fmt::format("| {} | {} | {:.1f} | {:.1f} | {:+.1f} | {:.0f} % |\n", what, all.n,
                         all.median, all.p90, all.bias, all.coverage90);
  }
  return table;
}

}  // namespace

void add_card_figures(Figures& figures) {
  figures["training kernels of h100"] = training_checks;
  for (const std::string card : {"h100-2026-11-28", "h200-2026-11-28"}) {
    figures["summary of " + card] = [card] {
      return "\n```\n" + sim::io::read_text(kMeasured / card / "summary.txt") + "```\n";
    };
    const std::string device = card.substr(0, card.find('-'));
    figures["checks of " + device] = [=] { return checks_of(card, device); };
  }
}

}  // namespace moesim::tests
