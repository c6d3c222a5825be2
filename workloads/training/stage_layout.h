// Which layers the stages of a training pipeline have, read from a line of text.
//
//   Et|(tt|)*30mL    32 stages: the embedding and a layer; 30 of two layers; a prediction layer and
//                    the loss
//
// Stages are parted by `|`; `E` is the embedding, `t` a layer, `m` a prediction layer, `L` the head
// and the loss; `x*n` repeats a letter, `(…)*n` a group; commas and blanks are nothing; a stage may
// be empty. Source: Megatron-LM, --pipeline-model-parallel-layout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace moesim::workloads {

struct StageContent {
  bool embedding = false;
  std::int64_t first_layer = 0, layers = 0;  // of the model's, in its order
  std::int64_t predictions = 0;
  bool loss = false;
  friend bool operator==(const StageContent&, const StageContent&) = default;
};

struct StageLayoutRequest {
  std::int64_t stages = 1;       // of the schedule
  std::int64_t layers = 1;       // of the model
  std::int64_t predictions = 0;  // that are trained
};

// What each stage has, or all that stands against the text, in words with the column (from 1).
std::variant<std::vector<StageContent>, std::vector<std::string>> read_stage_layout(
    std::string_view text, const StageLayoutRequest& request);

// Layers shared out evenly; what does not divide goes, a layer each, to the stages from the last
// but one backwards, as split_stages (workloads/model) does; predictions and the loss last.
// `count_embedding`, `count_loss`: as if each were a layer of its stage. REQUIRES: no more stages
// than there is to share out
std::vector<StageContent> even_stages(const StageLayoutRequest& request,
                                      bool count_embedding = false, bool count_loss = false);

}  // namespace moesim::workloads
