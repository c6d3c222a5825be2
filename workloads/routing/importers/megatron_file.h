// A rank's file of Megatron-Core's router trace, a step at a time: JSON lines {step, layer, rank,
// top_indices}, one a layer and micro-batch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "workloads/routing/importers/importers.h"

namespace moesim::workloads {

// One line: the choices of some tokens in one layer.
struct MegatronRecord {
  std::int64_t step = -1, layer = -1, rank = 0, tokens = -1, top_k = -1;
  bool is_prediction = false;  // multi-token prediction: "mtp_idx"
  std::vector<std::int32_t> ids;
  std::string where;
};

// The records of one step, by layer in ascending order: the n-th of a layer is of the n-th
// micro-batch.
struct MegatronStep {
  std::int64_t number = -1;
  std::map<std::int64_t, std::vector<MegatronRecord>> by_layer;
};

class MegatronFile {
 public:
  // Counts records in `summary`, which has to outlive it. Throws InputError.
  MegatronFile(const std::filesystem::path& file, ImportSummary& summary);
  ~MegatronFile();

  const std::string& name() const;

  // The step after `step`. Throws InputError "FILE: record N: …" where the file is damaged or steps
  // do not ascend. False where there is none left.
  bool next(MegatronStep& step);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace moesim::workloads
