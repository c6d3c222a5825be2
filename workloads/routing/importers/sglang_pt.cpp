// What the recorder of SGLang 0.4.6 and later saves (srt/eplb/expert_distribution.py), by mode:
//   stat       {logical_count [steps, layers, experts]}
//   per_pass   {records: [{forward_pass_id, rank, global_physical_count [layers, slots]}],
//               last_physical_to_logical_map [layers, slots]}
//   per_token  the same with topk_ids_of_layer [layers, tokens, 8 or more; -1: none], positions,
//              forward_mode (2: decode) in each record
// Layers are all of the model's. A file of the last two is of one rank; what ranks counted in a
// pass is added up, as the recorder does for stat.
#include "workloads/routing/importers/sglang_pt.h"

#include <fmt/format.h>

#include "sim/error.h"
#include "workloads/routing/importers/sglang_recording.h"
#include "workloads/routing/importers/torch_archive.h"

namespace moesim::workloads {

ImportSummary import_sglang_pt(const Files& files, const std::filesystem::path& out,
                               const ImportOptions& options) {
  SglangRecordings recordings;
  for (const auto& file : files) {
    if (!is_torch_archive(file)) {
      throw sim::InputError(fmt::format(
          "{}: is no file of torch.save (1.6 and later), but {} is: give recordings of one kind",
          file.string(), files.front().string()));
    }
    recordings.push_back(std::make_unique<SglangRecording>(file));
  }
  SglangRecording& first = *recordings.front();
  if (first.pickle.find(first.pickle.root(), "logical_count") != nullptr) {
    return import_sglang_stat(recordings, out, options);
  }
  const auto& records = first.records();
  if (records.empty()) first.fail("holds no records");
  if (first.pickle.find(first.pickle[records.front()], "topk_ids_of_layer") != nullptr) {
    return import_sglang_tokens(recordings, out, options);
  }
  return import_sglang_passes(recordings, out, options);
}

}  // namespace moesim::workloads
