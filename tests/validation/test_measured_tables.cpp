// The shipped fits against the public tables they come from: they must still say what they said.
// Skipped, visibly, where the tables are not beside the source tree. What they say exactly is kept
// in tests/golden/measured_tables.csv (MOESIM_UPDATE_GOLDEN=1 rewrites it), of which tests/docs
// makes a table of validation/README.md.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "sim/io/atomic_file.h"
#include "validation/compare/table_report.h"

using namespace moesim;
using namespace moesim::validation;

namespace {

struct Expected {
  const char* kind;
  const char* implementation;
  const char* file;
  double median, p90;  // of the absolute error, percent
};

// What must hold on tables that were not fitted on, so all the more here.
constexpr Expected kExpected[] = {
    {"gemm", "trtllm", "gemm_h100_trtllm", 5, 14},
    {"moe", "trtllm", "moe_h100_trtllm", 6, 17},
    {"moe", "sglang", "moe_h100_sglang_ep1", 6, 23},
    {"wideep_moe", "deepgemm", "wideep_moe_decode_h100_sglang", 5, 20},
    {"wideep_moe", "deepgemm", "wideep_moe_prefill_h100_sglang", 6, 17},
    {"nccl", "nccl", "nccl_h100", 6, 20},
    {"custom_allreduce", "trtllm", "custom_allreduce_h100", 6, 20},
    {"deepep_ll", "deepep", "deepep_ll_1node_h100", 7, 18},
    {"deepep_normal", "deepep", "deepep_normal_1node_h100", 6, 18},
    {"deepep_normal", "deepep", "deepep_normal_multinode_hopper", 11, 30},
    {"context_attention", "trtllm", "ctx_attn_h100_trtllm", 7, 20},
    {"generation_attention", "trtllm", "gen_attn_h100_trtllm", 7, 25},
    {"generation_attention", "vllm", "gen_attn_h100_vllm", 7, 25},
    {"context_mla", "trtllm", "context_mla_h100_trtllm", 7, 18},
    {"generation_mla", "trtllm", "generation_mla_h100_trtllm", 5, 15},
};

const std::filesystem::path kData = "../shared/data/measured";

}  // namespace

TEST_CASE("the shipped fits predict the tables that they come from") {
  if (!std::filesystem::is_directory(kData)) {
    std::puts("SKIPPED: the measured tables are not at ../shared/data/measured");
    return;
  }
  std::string figures = "table,part,implementation,rows,median,p90,bias,coverage90\n";
  const hardware::Device h100 = hardware::load_device("configs/devices/h100.yaml");
  for (const Expected& e : kExpected) {
    CAPTURE(e.file);
    const auto table = sim::io::CsvTable::read(kData / (std::string(e.file) + ".csv.gz"));
    const TableReport report = report_on(e.kind, {table}, h100, e.implementation);
    for (const PartReport& part : report.parts) {
      CAPTURE(part.part);
      CHECK(part.good.median <= e.median);
      CHECK(part.good.p90 <= e.p90);
      CHECK(std::abs(part.good.bias) <= 3);
      CHECK(part.good.coverage90 >= 80);
      figures += fmt::format("{},{},{},{},{:.2f},{:.2f},{:.2f},{:.1f}\n", e.file, part.part,
                             e.implementation, part.good.n, part.good.median, part.good.p90,
                             part.good.bias, part.good.coverage90);
    }
  }
  const std::filesystem::path golden = "tests/golden/measured_tables.csv";
  if (std::getenv("MOESIM_UPDATE_GOLDEN") != nullptr) sim::io::write_file(golden, figures);
  CHECK(figures == sim::io::read_text(golden));
}
