#include "workloads/model/hugging_face/quantisation_notes.h"

#include <algorithm>
#include <array>

namespace moesim::workloads {
namespace {

// Keys that have no bearing on what weights take.
bool harmless(std::string_view key) {
  static constexpr std::array<std::string_view, 56> kHarmless{"quant_method",
                                                              "quant_algo",
                                                              "activation_scheme",
                                                              "activation_scale_ub",
                                                              "fmt",
                                                              "scale_fmt",
                                                              "format",
                                                              "version",
                                                              "zero_point",
                                                              "backend",
                                                              "do_fuse",
                                                              "fuse_max_seq_len",
                                                              "modules_to_fuse",
                                                              "exllama_config",
                                                              "use_exllama",
                                                              "disable_exllama",
                                                              "use_cuda_fp16",
                                                              "max_input_length",
                                                              "cache_block_outputs",
                                                              "sym",
                                                              "true_sequential",
                                                              "damp_percent",
                                                              "damp_auto_increment",
                                                              "desc_act",
                                                              "act_group_aware",
                                                              "mse",
                                                              "static_groups",
                                                              "checkpoint_format",
                                                              "meta",
                                                              "model_name_or_path",
                                                              "model_file_base_name",
                                                              "pack_dtype",
                                                              "is_marlin_format",
                                                              "quantization_status",
                                                              "global_compression_ratio",
                                                              "transform_config",
                                                              "producer",
                                                              "autoround_version",
                                                              "iters",
                                                              "low_gpu_mem_usage",
                                                              "nsamples",
                                                              "enable_quanted_input",
                                                              "enable_minmax_tuning",
                                                              "packing_format",
                                                              "batch_size",
                                                              "seqlen",
                                                              "block_name_to_quantize",
                                                              "dataset",
                                                              "tokenizer",
                                                              "dequantize",
                                                              "pad_token_id",
                                                              "module_name_preceding_first_block",
                                                              "model_seqlen",
                                                              "gradient_accumulate_steps",
                                                              "lr",
                                                              "scale_dtype"};
  return std::ranges::find(kHarmless, key) != kHarmless.end();
}

}  // namespace

void note_what_is_not_counted(const HfConfig& block, ModelSpec& model) {
  if (block.flag({"lm_head"}).value_or(false)) {
    model.notes.push_back("quantisation: the head is quantised, too, and counted in 16 bits");
  }
  if (const auto sparse = block.child("sparsity_config");
      sparse && sparse->text({"format"}).value_or("dense") != "dense") {
    model.notes.push_back("quantisation: weights that are sparse are counted as if they were not");
  }
  std::string keys;
  for (const std::string& key : block.unread()) {
    if (!harmless(key)) keys += (keys.empty() ? "" : ", ") + key.substr(0, 40);
  }
  if (!keys.empty()) model.notes.push_back("quantisation: keys that are not used: " + keys);
}

}  // namespace moesim::workloads
