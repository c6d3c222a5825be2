// Integers of a tensor that torch.save wrote, a part at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workloads/routing/importers/pickle.h"
#include "workloads/routing/importers/torch_archive.h"

namespace moesim::workloads {

class TorchTensor {
 public:
  // `what` names it in messages. Throws InputError where the value is no tensor of `axes` axes, or
  // does not lie within its storage.
  TorchTensor(TorchArchive& archive, const Pickle& pickle, const PickleValue* value,
              std::string what, std::size_t axes);

  std::int64_t size(std::size_t axis) const { return sizes_[axis]; }
  // What has this index in the first axis, [the other axes], row by row: whole numbers, also where
  // they are stored as floats. Throws InputError. REQUIRES: index < size(0)
  std::vector<std::int64_t> at(std::int64_t index);
  // All of it, likewise.
  std::vector<std::int64_t> all();

 private:
  [[noreturn]] void fail(const std::string& what) const;
  std::vector<std::int64_t> gather(std::int64_t start, std::size_t from_axis);
  std::int64_t value(const char* bytes) const;

  TorchArchive& archive_;
  std::string what_, key_, type_;
  std::size_t width_ = 0;
  std::int64_t offset_ = 0;
  std::vector<std::int64_t> sizes_, strides_;
};

}  // namespace moesim::workloads
