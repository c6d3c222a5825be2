#include "validation/tables/detect_kind.h"

#include <fmt/format.h>

#include "sim/error.h"

namespace moesim::validation {

std::string detect_kind(const sim::io::CsvTable& table) {
  const auto has = [&](std::string_view column) { return table.find_column(column).has_value(); };
  if (has("op") && has("loads")) return "points";
  if (has("gemm_dtype")) return "gemm";
  if (has("op") && has("width_k")) return "points_training";
  if (has("pass") && has("qk_dim")) return "attention_backward";
  if ((has("pass") || has("stage")) && has("m") && has("n") && has("k")) return "gemm_backward";
  if (has("op_name") && has("kernel_source") && has("moe_ep_size")) return "trtllm_alltoall";
  if (has("moe_dtype")) return has("num_slots") ? "wideep_moe" : "moe";
  if (has("moe_ep_size")) return "wideep_moe";
  if (has("num_gpus") && has("bytes")) {
    // NCCL's tables name the operation; those of the engines' own all-reduce the engine.
    if (has("engine") || !has("op_name")) return "custom_allreduce";
    return "nccl";
  }
  if (has("node_num")) return has("sms") ? "deepep_normal" : "deepep_ll";
  const bool latent = !has("num_key_value_heads") && has("num_heads");
  if (has("num_heads") && has("isl") && has("kv_len")) {
    // Decode steps have one new token and a cache.
    const std::size_t column = table.column("isl"), kv = table.column("kv_len");
    bool decode = true;
    for (std::size_t row = 0; row < table.rows() && decode; ++row)
      decode = table.integer(row, column) == 1 && table.integer(row, kv) > 0;
    if (latent && has("gemm_type")) return decode ? "generation_mla_module" : "context_mla_module";
    if (latent) return decode ? "generation_mla" : "context_mla";
    return decode ? "generation_attention" : "context_attention";
  }
  if (has("num_key_value_heads")) return has("isl") ? "context_attention" : "generation_attention";
  throw sim::InputError(fmt::format("{}: the columns ({}) are those of no kind of table",
                                    table.name(), fmt::join(table.columns(), ", ")));
}

}  // namespace moesim::validation
