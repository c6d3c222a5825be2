#include "validation/tables/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "validation/tables/collective_tables.h"
#include "validation/tables/kernel_tables.h"

namespace moesim::validation {
namespace {

using Reader = Tasks (*)(const sim::io::CsvTable&, const hardware::Device&, const std::string&);

struct Kind {
  std::string_view name;
  std::string_view implementation;
  Reader read;
};

constexpr std::array kKinds{
    Kind{"gemm", "trtllm", read_gemm},
    Kind{"moe", "trtllm", read_moe},
    Kind{"wideep_moe", "deepgemm", read_wideep_moe},
    Kind{"points", "moesim_wgmma", read_points},
    Kind{"points_gemm", "cublaslt", read_dense_points},
    Kind{"points_attention", "moesim", read_attention_points},
    Kind{"points_prefill", "moesim", read_prefill_points},
    Kind{"points_router", "moesim", read_router_points},
    Kind{"points_permute", "moesim", read_permute_points},
    Kind{"points_unpermute", "moesim", read_unpermute_points},
    Kind{"points_nccl", "nccl", read_nccl_points},
    Kind{"nccl", "nccl", read_nccl},
    Kind{"custom_allreduce", "trtllm", read_custom_allreduce},
    Kind{"deepep_normal", "deepep", read_deepep_normal},
    Kind{"deepep_ll", "deepep", read_deepep_ll},
    Kind{"trtllm_alltoall", "trtllm", read_trtllm_alltoall},
    Kind{"hybrid_ep", "hybrid_ep", read_hybrid_ep},
    Kind{"context_attention", "trtllm", read_context_attention},
    Kind{"generation_attention", "trtllm", read_generation_attention},
    Kind{"context_mla", "trtllm", read_context_mla},
    Kind{"generation_mla", "trtllm", read_generation_mla},
    Kind{"context_mla_module", "trtllm", read_context_mla_module},
    Kind{"generation_mla_module", "trtllm", read_generation_mla_module},
    Kind{"attention_backward", "cudnn", read_attention_backward},
    Kind{"gemm_backward", "transformer_engine", read_gemm_backward},
    Kind{"grouped_gemm", "transformer_engine", read_grouped_gemm},
    Kind{"points_training", "cudnn", read_training_points},
    // As public tables call them.
    Kind{"mla_context_module", "trtllm", read_context_mla_module},
    Kind{"mla_generation_module", "trtllm", read_generation_mla_module},
};

const Kind& kind_of(std::string_view name) {
  for (const Kind& k : kKinds)
    if (k.name == name) return k;
  const std::string near = sim::io::did_you_mean(name, table_kinds());
  throw sim::ConfigError(fmt::format("there is no kind of table \"{}\"; they are {}{}", name,
                                     fmt::join(table_kinds(), ", "),
                                     near.empty() ? "" : fmt::format("; did you mean {}?", near)));
}

}  // namespace

std::span<const std::string_view> table_kinds() {
  static const auto names = [] {
    std::array<std::string_view, kKinds.size()> all;
    std::ranges::transform(kKinds, all.begin(), &Kind::name);
    return all;
  }();
  return names;
}

std::span<const TimeColumn> time_columns(std::string_view kind) {
  static constexpr std::array<TimeColumn, 1> kOne{{{"", "predicted_us"}}};
  static constexpr std::array<TimeColumn, 2> kTwo{
      {{"dispatch", "predicted_dispatch_us"}, {"combine", "predicted_combine_us"}}};
  if (kind == "deepep_normal" || kind == "deepep_ll" || kind == "hybrid_ep") return kTwo;
  return kOne;
}

std::string_view default_implementation(std::string_view kind) {
  return kind_of(kind).implementation;
}

std::string named_implementation(std::string_view kind, std::string_view file) {
  constexpr std::array<std::string_view, 3> kEngines{"trtllm", "sglang", "vllm"};
  const std::string_view own = default_implementation(kind);
  // NCCL, DeepEP, what is read of our own kernels; an all-reduce has a column of engines.
  if (own != "trtllm" && own != "deepgemm") return "";
  if (kind == "custom_allreduce") return "";
  std::string name;
  std::size_t begin = 0;
  while (begin < file.size()) {
    const std::size_t end = std::min(file.find_first_of("_-.", begin), file.size());
    const std::string_view word = file.substr(begin, end - begin);
    if (std::ranges::find(kEngines, word) != kEngines.end()) name = word;
    begin = end + 1;
  }
  return own == "deepgemm" && name == "sglang" ? std::string(own) : name;
}

Tasks read_tasks(std::string_view kind, const sim::io::CsvTable& table,
                 const hardware::Device& device, const std::string& implementation) {
  const Kind& k = kind_of(kind);
  return k.read(table, device,
                implementation.empty() ? std::string(k.implementation) : implementation);
}

}  // namespace moesim::validation
