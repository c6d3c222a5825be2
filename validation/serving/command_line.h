// The command line that an engine was started with: `vllm serve ...`, `python3 -m
// sglang.launch_server ...`, `trtllm-serve ...`.
#pragma once

#include <string>
#include <string_view>

#include "validation/serving/measured_load.h"
#include "workloads/placement/parallelism.h"

namespace moesim::validation {

struct StartedEngine {
  std::string engine = {}, model = {};  // "vllm"; a hub id, or a path's
  workloads::Parallelism layout = {};
  RunOptions run = {};
  std::string options = {};  // but for the model and what changes no time; in their order
  // Why it cannot be played: an engine or an option that is not known, sizes that do not fit. Empty
  // where it can.
  std::string problem = {};
};

// What stands before the engine's name is passed over.
StartedEngine read_command(std::string_view command);

// What an engine of that version takes where its command does not say it, and the engine's file,
// which is of another version, has it otherwise.
//
// vLLM: scheduling is asynchronous where it is asked for, by itself from 0.14. TensorRT-LLM: a
// cache of 16 bits for checkpoints that do not name another.
void add_defaults(std::string_view version, StartedEngine& started);

}  // namespace moesim::validation
