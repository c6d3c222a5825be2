#include "validation/tables/detect_kind.h"

#include <fmt/format.h>

#include "sim/error.h"

namespace moesim::validation {

std::string detect_kind(const sim::io::CsvTable& table) {
  const auto has = [&](std::string_view column) { return table.find_column(column).has_value(); };
  if (has("op") && has("loads")) return "points";
  if (has("gemm_dtype")) return "gemm";
  if (has("moe_dtype")) return "moe";
  if (has("moe_ep_size")) return "wideep_moe";
  if (has("op_name")) return "nccl";
  if (has("num_gpus") && has("bytes")) return "custom_allreduce";
  if (has("node_num")) return has("sms") ? "deepep_normal" : "deepep_ll";
  if (has("num_key_value_heads")) return has("isl") ? "context_attention" : "generation_attention";
  if (has("num_heads") && has("isl") && has("kv_len")) {
    // Decode steps have one new token and a cache.
    const std::size_t column = table.column("isl"), kv = table.column("kv_len");
    for (std::size_t row = 0; row < table.rows(); ++row)
      if (table.integer(row, column) != 1 || table.integer(row, kv) == 0) return "context_mla";
    return "generation_mla";
  }
  throw sim::InputError(fmt::format("{}: the columns ({}) are those of no kind of table",
                                    table.name(), fmt::join(table.columns(), ", ")));
}

}  // namespace moesim::validation
