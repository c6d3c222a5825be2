#include "hardware/kernels/gemm.h"
#include "validation/tables/kernel_tables.h"
#include "validation/tables/task_builder.h"

namespace moesim::validation {
namespace {

// Public tables of vLLM's fp8_block GEMM were taken without a CUDA graph: 59 to 95 us whatever the
// shape, up to 1024 rows (aiconfigurator's collector, 095f58a5). The middle of that.
double host_us(const std::string& impl, hardware::Precision precision) {
  return impl == "vllm" && precision == hardware::Precision::FP8Block ? 75 : 0;
}

}  // namespace

Tasks read_gemm(const sim::io::CsvTable& table, const hardware::Device& device,
                const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::GemmModel> builder("gemm", device, reader);
  reader.for_each_row([&](std::size_t row) {
    const hardware::Precision precision = reader.precision(row, "gemm_dtype");
    Item item = reader.item(row, "latency_us");
    const hardware::GemmShape shape{.m = reader.count(row, "m"),
                                    .n = reader.count(row, "n"),
                                    .k = reader.count(row, "k"),
                                    .precision = precision,
                                    .repeated = true,
                                    .host_us = host_us(impl, precision)};
    // An unseen width of n or of k holds out every shape that has it.
    item.groups = {fmt::format("{:07}", shape.n), fmt::format("{:07}", shape.k)};
    builder.add(impl, std::string(name_of(precision)), precision, std::move(item), shape);
  });
  return builder.take();
}

}  // namespace moesim::validation
