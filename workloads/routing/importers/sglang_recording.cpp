#include "workloads/routing/importers/sglang_recording.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/error.h"

namespace moesim::workloads {

SglangRecording::SglangRecording(const std::filesystem::path& file)
    : archive(file), pickle(archive.pickle(), archive.name()) {}

void SglangRecording::fail(const std::string& what) const {
  throw sim::InputError(fmt::format("{}: {}", archive.name(), what));
}

TorchTensor SglangRecording::tensor(const PickleValue& dict, const char* key,
                                    const std::string& where, std::size_t axes) {
  return {archive, pickle, pickle.find(dict, key), where + key, axes};
}

std::vector<std::int64_t> SglangRecording::numbers(const PickleValue& dict, const char* key,
                                                   const std::string& where) {
  const PickleValue* found = pickle.find(dict, key);
  if (found == nullptr) return {};
  if (found->kind != PickleValue::Kind::List) return tensor(dict, key, where, 1).all();
  std::vector<std::int64_t> all;
  for (const PickleRef item : found->items) {
    if (pickle[item].kind != PickleValue::Kind::Integer)
      fail(fmt::format("{}{}: item {} is no whole number", where, key, all.size()));
    all.push_back(pickle[item].integer);
  }
  return all;
}

const std::vector<PickleRef>& SglangRecording::records() const {
  constexpr std::size_t kMost = 1'000'000;
  const PickleValue* list = pickle.find(pickle.root(), "records");
  if (list == nullptr || list->kind != PickleValue::Kind::List) {
    fail("has neither logical_count nor records; is this of SGLang's recorder?");
  }
  if (list->items.size() > kMost)
    fail(fmt::format("{} records, more than {}", list->items.size(), kMost));
  return list->items;
}

std::int64_t SglangRecording::integer(const PickleValue& record, const char* key,
                                      std::int64_t otherwise) const {
  const PickleValue* found = pickle.find(record, key);
  return found != nullptr && found->kind == PickleValue::Kind::Integer ? found->integer : otherwise;
}

SlotMap::SlotMap(SglangRecording& of) {
  const char* key = "last_physical_to_logical_map";
  if (of.pickle.find(of.pickle.root(), key) == nullptr) return;
  TorchTensor map = of.tensor(of.pickle.root(), key, "", 2);
  if (map.size(0) > kMostSglangLayers) of.fail(fmt::format("{}: {} layers", key, map.size(0)));
  for (std::int64_t l = 0; l < map.size(0); ++l) {
    layers_.push_back(map.at(l));
    for (const std::int64_t expert : layers_.back()) {
      if (expert < 0 || expert >= kMostExperts) of.fail(fmt::format("{}: expert {}", key, expert));
      experts_ = std::max(experts_, expert + 1);
    }
  }
}

std::int64_t SlotMap::expert(std::size_t layer, std::int64_t slot,
                             const SglangRecording& of) const {
  if (layers_.empty()) return slot;
  if (layer >= layers_.size() || slot >= static_cast<std::int64_t>(layers_[layer].size())) {
    of.fail(fmt::format("slot {} of layer {} is not in last_physical_to_logical_map", slot, layer));
  }
  return layers_[layer][static_cast<std::size_t>(slot)];
}

}  // namespace moesim::workloads
