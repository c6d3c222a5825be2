#include "workloads/routing/importers/safetensors.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "sim/io/file_kind.h"
#include "sim/io/json.h"

namespace moesim::workloads {
namespace {

using sim::io::Json;

constexpr std::uint64_t kMostHeader = 100'000'000;
constexpr std::uint64_t kMostValues = std::uint64_t{1} << 28;

}  // namespace

std::uint64_t SafeTensor::values() const {
  std::uint64_t n = 1;
  for (const std::uint64_t extent : shape) n *= extent;
  return n;
}

void SafeTensorsFile::fail(const std::string& what) const {
  throw sim::InputError(fmt::format("{}: {}", name_, what));
}

SafeTensorsFile::SafeTensorsFile(const std::filesystem::path& file)
    : name_(file.string()), in_(file, std::ios::binary) {
  if (!in_ || sim::io::is_folder(file)) fail("cannot be read");
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(file, error);
  if (error) fail("cannot be read: it is no file");
  unsigned char length[8] = {};
  in_.read(reinterpret_cast<char*>(length), 8);
  std::uint64_t header = 0;
  for (int i = 7; i >= 0; --i) header = header << 8 | length[i];
  if (in_.gcount() != 8 || header > kMostHeader || header > size - 8)
    fail("is no safetensors file, or a damaged one");
  std::string text(header, '\0');
  in_.read(text.data(), static_cast<std::streamsize>(header));
  data_ = 8 + header;
  const Json root = sim::io::parse_json(text, name_, {.bytes = kMostHeader, .depth = 10});
  if (!root.is_object()) fail("has a header that is no object");
  for (const auto& [name, entry] : root.items()) {
    if (name == "__metadata__") continue;
    SafeTensor tensor{name, {}, {}, 0, 0};
    const auto bad = [&, &tensor_name = name](const char* what) {
      fail(fmt::format("{}: {}", tensor_name, what));
    };
    if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
        !entry.contains("shape") || !entry["shape"].is_array() || !entry.contains("data_offsets") ||
        !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2) {
      bad("expected dtype, shape and data_offsets");
    }
    tensor.dtype = entry["dtype"].get<std::string>();
    std::uint64_t values = 1;
    for (const auto& extent : entry["shape"]) {
      if (!extent.is_number_unsigned()) bad("has a shape that is none");
      tensor.shape.push_back(extent.get<std::uint64_t>());
      if (tensor.shape.back() != 0 && values > kMostValues / tensor.shape.back())
        bad("is too large");
      values *= tensor.shape.back();
    }
    for (const auto& offset : entry["data_offsets"]) {
      if (!offset.is_number_unsigned()) bad("has offsets that are none");
    }
    tensor.begin = entry["data_offsets"][0].get<std::uint64_t>();
    tensor.end = entry["data_offsets"][1].get<std::uint64_t>();
    if (tensor.begin > tensor.end || tensor.end > size - data_)
      bad("names bytes that are not in the file");
    tensors_.push_back(std::move(tensor));
  }
}

std::vector<std::int64_t> SafeTensorsFile::integers(const SafeTensor& tensor) {
  const bool is_signed = tensor.dtype.starts_with('I');
  std::size_t width = 0;
  for (const std::size_t bits : {8u, 16u, 32u, 64u}) {
    if (tensor.dtype == fmt::format("I{}", bits) || tensor.dtype == fmt::format("U{}", bits))
      width = bits / 8;
  }
  if (width == 0) fail(fmt::format("{}: expected integers, not {}", tensor.name, tensor.dtype));
  const std::uint64_t count = tensor.values();
  if (tensor.end - tensor.begin != count * width) {
    fail(fmt::format("{}: {} values of {} bytes do not take {} bytes", tensor.name, count, width,
                     tensor.end - tensor.begin));
  }
  std::string bytes(count * width, '\0');
  in_.clear();
  in_.seekg(static_cast<std::streamoff>(data_ + tensor.begin));
  in_.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (static_cast<std::size_t>(in_.gcount()) != bytes.size())
    fail(fmt::format("{}: cannot be read", tensor.name));
  std::vector<std::int64_t> out;
  out.reserve(count);
  const auto unused = static_cast<unsigned>(64 - 8 * width);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t value = 0;
    for (std::size_t b = width; b-- > 0;)
      value = value << 8 | static_cast<unsigned char>(bytes[i * width + b]);
    out.push_back(is_signed ? static_cast<std::int64_t>(value << unused) >> unused
                            : static_cast<std::int64_t>(std::min<std::uint64_t>(value, INT64_MAX)));
  }
  return out;
}

std::string safetensors_text(std::span<const SafeTensorValues> tensors) {
  Json header = Json::object();
  std::string data;
  for (const SafeTensorValues& tensor : tensors) {
    const std::size_t begin = data.size();
    for (const std::int32_t value : tensor.values) {
      for (int shift = 0; shift < 32; shift += 8)
        data += static_cast<char>(static_cast<std::uint32_t>(value) >> shift & 0xFF);
    }
    header[tensor.name] = {
        {"dtype", "I32"}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string out;
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(text.size() >> shift & 0xFF);
  return out + text + data;
}

}  // namespace moesim::workloads
