// What SGLang's expert-distribution recorder saved, as its importers read it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "workloads/routing/importers/importers.h"
#include "workloads/routing/importers/pickle.h"
#include "workloads/routing/importers/torch_archive.h"
#include "workloads/routing/importers/torch_tensor.h"
#include "workloads/routing/routing.h"

namespace moesim::workloads {

struct SglangRecording {
  // Throws InputError where the file is none of torch.save.
  explicit SglangRecording(const std::filesystem::path& file);

  // Throws InputError that begins with the file.
  [[noreturn]] void fail(const std::string& what) const;
  // The tensor under a key of a dictionary; `where` stands before the key in messages.
  TorchTensor tensor(const PickleValue& dict, const char* key, const std::string& where,
                     std::size_t axes);
  // The numbers under a key of a dictionary, a tensor of one axis or a list; none where there is no
  // such key.
  std::vector<std::int64_t> numbers(const PickleValue& dict, const char* key,
                                    const std::string& where);
  // Throws InputError where there are none, or too many.
  const std::vector<PickleRef>& records() const;
  std::int64_t integer(const PickleValue& record, const char* key, std::int64_t otherwise) const;

  TorchArchive archive;
  Pickle pickle;
};
using SglangRecordings = std::vector<std::unique_ptr<SglangRecording>>;

inline constexpr std::int64_t kMostSglangLayers = 100'000;

// Which expert a physical slot holds, by layer; without a map slots stand for experts.
class SlotMap {
 public:
  explicit SlotMap(SglangRecording& of);

  bool empty() const { return layers_.empty(); }
  std::int64_t experts() const { return experts_; }
  // Throws InputError where the map has no such slot.
  std::int64_t expert(std::size_t layer, std::int64_t slot, const SglangRecording& of) const;

 private:
  std::vector<std::vector<std::int64_t>> layers_;
  std::int64_t experts_ = 0;
};

// Of the modes stat, per_pass and per_token.
ImportSummary import_sglang_stat(SglangRecordings& recordings, const std::filesystem::path& out,
                                 const ImportOptions& options);
ImportSummary import_sglang_passes(SglangRecordings& recordings, const std::filesystem::path& out,
                                   const ImportOptions& options);
ImportSummary import_sglang_tokens(SglangRecordings& recordings, const std::filesystem::path& out,
                                   ImportOptions options);

}  // namespace moesim::workloads
