// What the fits that ship say of themselves: the hold-outs in configs/devices/*.fitted.yaml, and
// the tables that they come from (tests/golden/measured_tables.csv), and those of another device
// (tests/golden/carried_tables.csv).
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "hardware/device.h"
#include "hardware/kernels/fitted.h"
#include "sim/io/csv.h"
#include "tests/docs/figures.h"

namespace moesim::tests {
namespace {

using hardware::FittedModel;

// A line of the README's table: the fits that it stands for, as "kind implementation variant".
struct Line {
  const char* what;
  std::vector<const char*> fits;
};

const std::vector<Line> kLines{
    {"GEMM, TensorRT-LLM: bf16, fp8, fp8_block",
     {"gemm trtllm bf16", "gemm trtllm fp8", "gemm trtllm fp8_block"}},
    {"fused experts, TensorRT-LLM: bf16, fp8, fp8_block",
     {"moe trtllm bf16", "moe trtllm fp8", "moe trtllm fp8_block"}},
    {"fused experts, SGLang: bf16, fp8_block", {"moe sglang bf16", "moe sglang fp8_block"}},
    {"experts after a dispatch, DeepGEMM: decode, prefill",
     {"wideep_moe deepgemm decode", "wideep_moe deepgemm prefill"}},
    {"prefill attention, TensorRT-LLM: bf16, fp8 cache, fp8",
     {"context_attention trtllm bf16_bf16", "context_attention trtllm bf16_fp8",
      "context_attention trtllm fp8_fp8"}},
    {"decode attention: TensorRT-LLM, vLLM",
     {"generation_attention trtllm bf16_bf16", "generation_attention vllm bf16_bf16"}},
    {"MLA: prefill, decode", {"context_mla trtllm bf16_bf16", "generation_mla trtllm bf16_bf16"}},
    {"NCCL: all-gather, reduce-scatter, all-to-all, all-reduce",
     {"nccl nccl all_gather", "nccl nccl reduce_scatter", "nccl nccl alltoall",
      "nccl nccl all_reduce"}},
    {"the engines' all-reduce in a graph: TensorRT-LLM, vLLM, SGLang",
     {"custom_allreduce trtllm graph", "custom_allreduce vllm graph",
      "custom_allreduce sglang graph"}},
    {"DeepEP low latency over nodes: dispatch, combine",
     {"deepep_ll deepep dispatch_internode", "deepep_ll deepep combine_internode"}},
    {"DeepEP normal over nodes: dispatch, combine",
     {"deepep_normal deepep dispatch_internode", "deepep_normal deepep combine_internode"}},
};

std::string name_of(const FittedModel& fit) {
  return fmt::format("{} {} {}", fit.kind, fit.implementation, fit.variant);
}

std::vector<FittedModel> shipped(const std::string& device) {
  return hardware::load_fitted("configs/devices/" + device + ".fitted.yaml");
}

std::string accuracy_table() {
  const std::vector<FittedModel> fits = shipped("h100");
  std::string table = "\n| on H100, held out | median / p90, % |\n|---|---|\n";
  for (const Line& line : kLines) {
    std::string errors;
    for (const char* name : line.fits) {
      const FittedModel* found = nullptr;
      for (const FittedModel& fit : fits)
        if (name_of(fit) == name) found = &fit;
      if (found == nullptr) throw std::runtime_error(std::string("no fit is called ") + name);
      errors += fmt::format("{}{:.1f} / {:.0f}", errors.empty() ? "" : ", ",
                            found->median_error_percent, found->p90_error_percent);
    }
    table += fmt::format("| {} | {} |\n", line.what, errors);
  }
  return table;
}

std::string fits_table(const std::string& device) {
  std::string table =
      "\n| kind | implementation | variant | rows | median | p90 | bias |\n"
      "|---|---|---|---:|---:|---:|---:|\n";
  for (const FittedModel& fit : shipped(device)) {
    if (fit.p90_error_percent == 0) {  // nothing could be held out
      table += fmt::format("| {} | {} | {} | {} | none | | |\n", fit.kind, fit.implementation,
                           fit.variant, fit.points);
      continue;
    }
    table += fmt::format("| {} | {} | {} | {} | {:.1f} | {:.1f} | {:+.1f} |\n", fit.kind,
                         fit.implementation, fit.variant, fit.points, fit.median_error_percent,
                         fit.p90_error_percent, fit.bias_percent);
  }
  return table;
}

std::string measured_table() {
  const auto csv = sim::io::CsvTable::read("tests/golden/measured_tables.csv");
  std::string table =
      "\n| table | priced as | rows | median | p90 | bias | in the 90 % interval |\n"
      "|---|---|---:|---:|---:|---:|---:|\n";
  const auto text = [&](std::size_t row, const char* column) {
    return std::string(csv.text(row, csv.column(column)));
  };
  for (std::size_t i = 0; i < csv.rows(); ++i) {
    const auto number = [&](const char* column) { return csv.number(i, csv.column(column)); };
    const std::string part = text(i, "part");
    table += fmt::format("| `{}`{} | {} | {} | {:.1f} | {:.1f} | {:+.1f} | {:.0f} % |\n",
                         text(i, "table"), part.empty() ? "" : ", " + part,
                         text(i, "implementation"), text(i, "rows"), number("median"),
                         number("p90"), number("bias"), number("coverage90"));
  }
  return table;
}

std::string carried_table() {
  const auto csv = sim::io::CsvTable::read("tests/golden/carried_tables.csv");
  std::string table =
      "\n| table of H200 | rows | with the bandwidth | as carried over |\n|---|---:|---:|---:|\n";
  for (std::size_t i = 0; i < csv.rows(); ++i) {
    const auto number = [&](const char* column) { return csv.number(i, csv.column(column)); };
    table += fmt::format("| `{}` | {} | {:.1f} / {:.1f} / {:+.1f} | {:.1f} / {:.1f} / {:+.1f} |\n",
                         csv.text(i, csv.column("table")), csv.text(i, csv.column("rows")),
                         number("median_before"), number("p90_before"), number("bias_before"),
                         number("median"), number("p90"), number("bias"));
  }
  return table;
}

}  // namespace

void add_fit_figures(Figures& figures) {
  figures["accuracy"] = accuracy_table;
  figures["fits"] = [] { return fits_table("h100"); };
  for (const char* device : {"h200", "b200", "a100", "l40s"})
    figures[std::string("fits of ") + device] = [device] { return fits_table(device); };
  figures["measured tables"] = measured_table;
  figures["carried tables"] = carried_table;
}

}  // namespace moesim::tests
