#include <array>

#include "sim/error.h"
#include "validation/tables/composed_task.h"
#include "validation/tables/eager_modules.h"
#include "validation/tables/kernel_tables.h"
#include "validation/tables/table_reader.h"
#include "workloads/step/mixer_work.h"

namespace moesim::validation {
namespace {

// The engines whose GEMM and attention are priced apart; others are priced as the first.
hardware::KernelChoice kernels_of(const std::string& impl) {
  constexpr std::array<std::string_view, 3> kEngines{"trtllm", "sglang", "vllm"};
  const bool known = std::ranges::find(kEngines, impl) != kEngines.end();
  const std::string engine = known ? impl : std::string(kEngines[0]);
  return {.gemm = engine, .moe = engine, .attention = engine};
}

Tasks read(const std::string& kind, const sim::io::CsvTable& table, const hardware::Device& device,
           const std::string& impl) {
  const TableReader reader(table);
  const hardware::Kernels kernels(device, kernels_of(impl));
  auto task = std::make_unique<ComposedTask>(kind, impl, "");
  reader.for_each_row([&](std::size_t row) {
    workloads::ModelSpec model;
    model.hidden = reader.has("hidden_size") ? reader.count(row, "hidden_size") : 7168;
    // DeepSeek-V3's widths; num_heads are those of this GPU.
    const workloads::MlaAttention mla{.heads = reader.count(row, "num_heads"),
                                      .q_lora_rank = 1536,
                                      .kv_lora_rank = 512,
                                      .nope_dim = 128,
                                      .rope_dim = 64,
                                      .value_dim = 128,
                                      .index = {}};
    workloads::Formats precision;
    precision.attention = reader.precision(row, "gemm_type");
    precision.kv_cache = reader.precision(row, "kv_cache_dtype");
    const workloads::LayerPricing pricing{
        .kernels = kernels, .model = model, .precision = precision};
    workloads::BatchShape shape{.sequences = reader.count(row, "batch_size")};
    if (kind == "context_mla_module") {
      shape.phase = workloads::StepPhase::Prefill;
      shape.query_length = reader.count(row, "isl");
      const std::int64_t before = reader.has("kv_len") ? reader.count(row, "kv_len", 0) : 0;
      shape.kv_length = shape.query_length + before;
    } else {
      shape.kv_length = reader.count(row, "kv_len");
    }
    try {
      Item item = reader.item(row, "latency_us");
      item.guess = reader.guess_of(row);
      const double beside =
          impl == "vllm" ? eager_us(kind == "context_mla_module" ? kEagerPrompt : kEagerDecode,
                                    bytes_per_element(precision.kv_cache), shape.tokens())
                         : 0;
      task->add(std::move(item), estimate_of(workloads::mixer_work(pricing, mla, {shape}), beside));
    } catch (const sim::InfeasibleError&) {
      reader.fail(row, kind == "context_mla_module" ? "isl" : "kv_len",
                  "a block that takes less than 106 days");
    }
  });
  Tasks tasks;
  tasks.push_back(std::move(task));
  tasks.apart = reader.apart();
  return tasks;
}

}  // namespace

Tasks read_context_mla_module(const sim::io::CsvTable& table, const hardware::Device& device,
                              const std::string& impl) {
  return read("context_mla_module", table, device, impl);
}

Tasks read_generation_mla_module(const sim::io::CsvTable& table, const hardware::Device& device,
                                 const std::string& impl) {
  return read("generation_mla_module", table, device, impl);
}

}  // namespace moesim::validation
