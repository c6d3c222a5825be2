// What others record, as a routing trace. One recorder a file; formats and their sources:
// README.md.
//
// Records are read one by one, and tokens are written as they come: memory does not grow with the
// input (it does with its largest record). Input is untrusted: what is wrong is an InputError that
// names file, record and place. A negative id is a choice that was not recorded; an id beyond the
// experts is a mistake. The output appears whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace moesim::workloads {

struct ImportOptions {
  std::uint32_t experts = 0;  // 0: as the recorder says, where it does
  std::uint32_t layers = 0;   // of the recorder's layer axis; where the format does not say
  std::uint32_t top_k = 0;    // likewise
  std::vector<std::uint32_t> keep = {};  // of that axis: the MoE layers; empty: all
  std::string model = {};                // noted in the trace
};

struct ImportSummary {
  std::uint64_t records = 0, tokens = 0;
  std::uint64_t skipped = 0;  // records of another kind
};

using Files = std::vector<std::filesystem::path>;

// vLLM with --enable-return-routed-experts: responses as JSON (one, a list, or one a line), with
// prompt_routed_experts and choices[].routed_experts, [tokens, MoE layers, top_k].
ImportSummary import_vllm(const Files& files, const std::filesystem::path& out,
                          const ImportOptions& options);

// Arrays of integers [tokens, layers, top_k] in NumPy's format, a request a file.
ImportSummary import_npy(const Files& files, const std::filesystem::path& out,
                         const ImportOptions& options);

// SGLang with --enable-return-routed-experts: responses as JSON whose "routed_experts" is base64 of
// int32 [tokens, layers, top_k]. REQUIRES options.layers and options.top_k (ConfigError).
ImportSummary import_sglang(const Files& files, const std::filesystem::path& out,
                            const ImportOptions& options);

// Megatron-Core's router trace: a JSON object a line and (step, layer), with top_indices.
ImportSummary import_megatron(const Files& files, const std::filesystem::path& out,
                              const ImportOptions& options);

// TensorRT-LLM's expert statistics: safetensors with "{iteration}_{layer}" int32 [experts], summed
// over the files (one a rank); experts and top_k from meta_info.json beside them or the options.
ImportSummary import_tensorrt_llm(const Files& files, const std::filesystem::path& out,
                                  const ImportOptions& options);

// Counts as CSV: columns layer, expert, count, and optionally step and domain.
ImportSummary import_counts(const Files& files, const std::filesystem::path& out,
                            const ImportOptions& options);

// Square all-to-all matrices as CSV without a header, rows are senders, one after another in a
// file: the receivers' loads, as if each rank were an expert; a file a step, a matrix a layer.
ImportSummary import_matrices(const Files& files, const std::filesystem::path& out,
                              const ImportOptions& options);

}  // namespace moesim::workloads
