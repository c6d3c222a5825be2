// A routing trace in the forms that recorders write, for tools that read those; importing what was
// exported gives the same choices again.
#pragma once

#include <cstdint>
#include <filesystem>

#include "workloads/routing/trace/trace.h"

namespace moesim::workloads {

// All throw Error where the file cannot be written, InputError where the trace is damaged,
// ConfigError where it has not the form (per token, counts) that the format holds. A choice that
// was not recorded is -1. The file appears whole or not at all.

// A response a request, one a line: tokens of phase 1 (decode) as choices[0].routed_experts, all
// others as prompt_routed_experts. Without request ids the trace is one request.
void export_vllm(const RoutingTrace& trace, const std::filesystem::path& out);

// The whole trace as one array [tokens, layers, top_k] of int16 (int32 from 32,768 experts on).
void export_npy(const RoutingTrace& trace, const std::filesystem::path& out);

// A response a request, one a line: choices[0].sgl_ext.routed_experts, base64 of int32.
void export_sglang(const RoutingTrace& trace, const std::filesystem::path& out);

// A line a step and layer; without steps a step is a request.
void export_megatron(const RoutingTrace& trace, const std::filesystem::path& out);

// "{step}_{layer}" int32 [experts]; of the count form.
void export_tensorrt_llm(const RoutingTrace& trace, const std::filesystem::path& out);

// Columns step, layer, expert, count, and domain where known; zeros are left out, but for the last
// expert of each layer, so that the number of experts is kept. Of the count form; of the per-token
// form the sums over all tokens as one step.
void export_counts(const RoutingTrace& trace, const std::filesystem::path& out);

}  // namespace moesim::workloads
