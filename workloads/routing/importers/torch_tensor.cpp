#include "workloads/routing/importers/torch_tensor.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

#include "sim/error.h"

namespace moesim::workloads {
namespace {

struct Type {
  std::string_view name;
  std::size_t width;
  enum class Numbers { Signed, Unsigned, Float } numbers;
};
using enum Type::Numbers;

// As storages, and as the types of tensors that have no storage of their own name.
constexpr std::array<Type, 12> kTypes{{{"LongStorage", 8, Signed},
                                       {"IntStorage", 4, Signed},
                                       {"ShortStorage", 2, Signed},
                                       {"CharStorage", 1, Signed},
                                       {"ByteStorage", 1, Unsigned},
                                       {"BoolStorage", 1, Unsigned},
                                       {"FloatStorage", 4, Float},
                                       {"DoubleStorage", 8, Float},
                                       {"torch.uint16", 2, Unsigned},
                                       {"torch.uint32", 4, Unsigned},
                                       {"torch.int32", 4, Signed},
                                       {"torch.int64", 8, Signed}}};

const Type* type_of(std::string_view name) {
  for (const Type& type : kTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

// Of what is read at once: 64 Mi numbers.
constexpr std::int64_t kMost = std::int64_t{1} << 26;

}  // namespace

TorchTensor::TorchTensor(TorchArchive& archive, const Pickle& pickle, const PickleValue* value,
                         std::string what, std::size_t axes)
    : archive_(archive), what_(std::move(what)) {
  if (value == nullptr || value->kind != PickleValue::Kind::Tensor) fail("expected a tensor");
  if (value->sizes.size() != axes) {
    fail(fmt::format("expected {} axes, not {}", axes, value->sizes.size()));
  }
  type_ = value->type;
  const Type* type = type_of(type_);
  if (type == nullptr) fail(fmt::format("holds {}, not whole numbers", type_));
  width_ = type->width;
  key_ = pickle[value->items[0]].text;
  offset_ = value->integer;
  sizes_ = value->sizes;
  strides_ = value->strides;
  // The last element lies within the storage; no size or stride is so large that this overflows.
  const auto elements = static_cast<std::int64_t>(archive_.storage_bytes(key_) / width_);
  std::int64_t last = offset_, count = 1;
  for (std::size_t a = 0; a < axes; ++a) {
    if (sizes_[a] < 0 || strides_[a] < 0 || sizes_[a] > elements || strides_[a] > elements) {
      if (sizes_[a] == 0) continue;
      fail("lies beyond its storage");
    }
    if (sizes_[a] == 0) {
      count = 0;
      continue;
    }
    if (count > elements / sizes_[a]) fail("lies beyond its storage");
    count *= sizes_[a];
    if (sizes_[a] > 1 && strides_[a] > elements / (sizes_[a] - 1)) fail("lies beyond its storage");
    last += (sizes_[a] - 1) * strides_[a];
  }
  if (offset_ < 0 || offset_ > elements || (count > 0 && last >= elements)) {
    fail("lies beyond its storage");
  }
}

std::vector<std::int64_t> TorchTensor::at(std::int64_t index) {
  return gather(offset_ + index * strides_[0], 1);
}

std::vector<std::int64_t> TorchTensor::all() {
  return gather(offset_, 0);
}

// The elements over the axes from `from_axis` on.
std::vector<std::int64_t> TorchTensor::gather(std::int64_t start, std::size_t from_axis) {
  std::int64_t count = 1, span = 1;
  for (std::size_t a = from_axis; a < sizes_.size(); ++a) {
    count *= sizes_[a];
    span += (sizes_[a] - 1) * strides_[a];
  }
  if (count == 0) return {};
  if (span > kMost || count > kMost) fail(fmt::format("more than {} numbers at once", kMost));
  std::vector<char> bytes(static_cast<std::size_t>(span) * width_);
  archive_.read(key_, static_cast<std::uint64_t>(start) * width_, bytes);
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
  std::vector<std::int64_t> place(sizes_.size());
  for (std::int64_t& number : numbers) {
    std::int64_t element = 0;
    for (std::size_t a = from_axis; a < sizes_.size(); ++a) element += place[a] * strides_[a];
    number = value(bytes.data() + static_cast<std::size_t>(element) * width_);
    for (std::size_t a = sizes_.size(); a-- > from_axis;) {
      if (++place[a] < sizes_[a]) break;
      place[a] = 0;
    }
  }
  return numbers;
}

void TorchTensor::fail(const std::string& what) const {
  throw sim::InputError(fmt::format("{}: {}: {}", archive_.name(), what_, what));
}

std::int64_t TorchTensor::value(const char* bytes) const {
  const Type& type = *type_of(type_);
  std::uint64_t bits = 0;
  for (std::size_t i = width_; i-- > 0;) bits = bits << 8 | static_cast<unsigned char>(bytes[i]);
  if (type.numbers == Float) {
    float narrow = 0;
    double number = 0;
    if (width_ == 4) {
      std::memcpy(&narrow, bytes, 4);
      number = static_cast<double>(narrow);
    } else {
      std::memcpy(&number, bytes, 8);
    }
    if (!(std::abs(number) < 0x1p53) || number != std::floor(number)) {
      fail(fmt::format("expected whole numbers, not {}", number));
    }
    return static_cast<std::int64_t>(number);
  }
  const std::size_t unused = 64 - 8 * width_;
  if (type.numbers == Signed) return static_cast<std::int64_t>(bits << unused) >> unused;
  return static_cast<std::int64_t>(bits);
}

}  // namespace moesim::workloads
