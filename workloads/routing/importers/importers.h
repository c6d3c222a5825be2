// What others record, as a routing trace. One recorder a file; formats and their sources:
// README.md.
//
// Records are read one by one, and tokens are written as they come: memory does not grow with the
// input (it does with its largest record). Input is untrusted: what is wrong is an InputError that
// names file, record and place. An id of -1 is a choice that was not recorded; another negative
// one, or one beyond the experts, is a mistake. The output appears whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
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
  // Tokens that choose an expert more than once in a layer. They are kept: an engine computes such
  // a token twice. A router does not choose so; padding that is not -1 looks so.
  std::uint64_t repeated = 0;
  // Of counts: layers of a step whose sum is not that of the step's first layer, as a layer's that
  // was lost is not. They are kept: a router that drops tokens counts so, too.
  std::uint64_t uneven = 0;
  // What all columns beyond the top_k that was asked for hold, where that is an expert's number:
  // they were taken as padding.
  std::optional<std::int64_t> padding = {};
};

using Files = std::vector<std::filesystem::path>;

// Throw ConfigError where the options lack what the recording does not say, InputError.
using ImportFunction = ImportSummary(const Files& files, const std::filesystem::path& out,
                                     const ImportOptions& options);
ImportFunction import_vllm, import_npy, import_sglang, import_megatron, import_tensorrt_llm,
    import_counts, import_matrices;

// A recorder whose files can be read. To add one: its .cpp (named in CMakeLists.txt), its name
// above and its line here, its line in README.md.
struct Importer {
  std::string_view name;   // of `moesim trace import --from`
  std::string_view reads;  // for its help: what the files hold
  ImportFunction* run;
};
inline constexpr Importer kImporters[] = {
    {"vllm",
     "responses of --enable-return-routed-experts (JSON; one, a list, or one a line), with "
     "prompt_routed_experts and choices[].routed_experts [tokens, MoE layers, top_k], as lists or "
     "as "
     "the base64 of a NumPy array",
     import_vllm},
    {"npy", "arrays of integers [tokens, layers, top_k] in NumPy's format, a request a file",
     import_npy},
    {"sglang",
     "responses of --enable-return-routed-experts (JSON) whose routed_experts is base64 of int32 "
     "[tokens, layers, top_k]; needs --layers and --top-k; or the .pt files of its recorder, of "
     "any "
     "mode (counts need --top-k)",
     import_sglang},
    {"megatron",
     "Megatron-Core's router traces: a JSON object a line and (step, layer), "
     "{\"step\": 0, \"layer\": 3, \"rank\": 0, \"num_tokens\": 2, \"topk\": 2, "
     "\"top_indices\": [[5, 1], [7, 2]]}",
     import_megatron},
    {"tensorrt-llm",
     "expert statistics, safetensors with \"{iteration}_{layer}\" int32 [experts], summed over the "
     "files (one a rank)",
     import_tensorrt_llm},
    {"counts",
     "a CSV table of layer, expert, count (SGLang's layer_id, expert_id), and optionally step and "
     "domain; or SGLang's JSON with logical_count [layers][experts]",
     import_counts},
    {"matrices",
     "square all-to-all matrices as CSV without a header, rows are senders: an expert stands for "
     "a rank; a file a step, a matrix a layer",
     import_matrices},
};

}  // namespace moesim::workloads
