// The tables of compute kernels. See tables.h.
#pragma once

#include "validation/tables/tables.h"

namespace moesim::validation {

Tasks read_gemm(const sim::io::CsvTable&, const hardware::Device&, const std::string& impl);
Tasks read_moe(const sim::io::CsvTable&, const hardware::Device&, const std::string& impl);
// What moesim-gpu measured (validation/cuda/README.md): layers and grouped GEMMs, as kind "moe".
Tasks read_points(const sim::io::CsvTable&, const hardware::Device&, const std::string& impl);
// The same table's products of one weight (their detail begins with "dense") as kind "gemm",
// attention as "generation_attention" and "context_attention", the choice of experts as "router",
// rows out and back as "permute" (variants "out" and "back"), and what several GPUs do by NCCL as
// "nccl".
Tasks read_dense_points(const sim::io::CsvTable&, const hardware::Device&, const std::string& impl);
Tasks read_attention_points(const sim::io::CsvTable&, const hardware::Device&,
                            const std::string& impl);
Tasks read_prefill_points(const sim::io::CsvTable&, const hardware::Device&,
                          const std::string& impl);
Tasks read_router_points(const sim::io::CsvTable&, const hardware::Device&,
                         const std::string& impl);
Tasks read_permute_points(const sim::io::CsvTable&, const hardware::Device&,
                          const std::string& impl);
Tasks read_unpermute_points(const sim::io::CsvTable&, const hardware::Device&,
                            const std::string& impl);
Tasks read_nccl_points(const sim::io::CsvTable&, const hardware::Device&, const std::string& impl);
Tasks read_wideep_moe(const sim::io::CsvTable&, const hardware::Device&, const std::string& impl);

Tasks read_context_attention(const sim::io::CsvTable&, const hardware::Device&,
                             const std::string& impl);
Tasks read_generation_attention(const sim::io::CsvTable&, const hardware::Device&,
                                const std::string& impl);
Tasks read_context_mla(const sim::io::CsvTable&, const hardware::Device&, const std::string& impl);
Tasks read_generation_mla(const sim::io::CsvTable&, const hardware::Device&,
                          const std::string& impl);

// A whole block of latent attention without the layer's norm (DeepSeek-V3's widths): projections,
// rotation, cache write, attention, output projection. Composed of the kernels that a step composes
// it of; columns as context_mla and generation_mla, and gemm_type.
Tasks read_context_mla_module(const sim::io::CsvTable&, const hardware::Device&,
                              const std::string& impl);
Tasks read_generation_mla_module(const sim::io::CsvTable&, const hardware::Device&,
                                 const std::string& impl);

// Kernels of training. Attention cores, forward, backward or both, as kind "training_attention":
// device, implementation, pass (or stage), precision, causal, heads, kv_heads, qk_dim, v_dim,
// batch, seq (or m), time_us. What moesim's own script measured (validation/measured) of them.
Tasks read_attention_backward(const sim::io::CsvTable&, const hardware::Device&,
                              const std::string& impl);
Tasks read_training_points(const sim::io::CsvTable&, const hardware::Device&,
                           const std::string& impl);
// Products forward (m x n, depth k), and the gradients of their inputs and weights, each row in its
// own shape; composed of the kernels that a step composes them of: device, implementation, pass (or
// stage), precision, accumulate, groups, m, n, k, time_us, includes_quantisation. k may list
// several products, IN/OUT;IN/OUT.
Tasks read_gemm_backward(const sim::io::CsvTable&, const hardware::Device&,
                         const std::string& impl);
// Those of its rows that have groups, by pass.
Tasks read_grouped_gemm(const sim::io::CsvTable&, const hardware::Device&, const std::string& impl);

}  // namespace moesim::validation
