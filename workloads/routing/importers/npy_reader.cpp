#include "workloads/routing/importers/npy_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "sim/error.h"

namespace moesim::workloads {

NpyReader::NpyReader(std::istream& in, std::string name) : in_(in), name_(std::move(name)) {
  read_header();
}

void NpyReader::read(std::span<std::int32_t> out, std::uint64_t token) {
  bytes_.resize(out.size() * header_.width);
  in_.read(bytes_.data(), static_cast<std::streamsize>(bytes_.size()));
  if (static_cast<std::size_t>(in_.gcount()) != bytes_.size()) {
    fail(fmt::format("ends in token {} of {}", token, header_.shape[0]));
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint64_t value = 0;
    for (std::size_t b = 0; b < header_.width; ++b) {
      const std::size_t at = header_.big_endian ? b : header_.width - 1 - b;
      value = value << 8 | static_cast<unsigned char>(bytes_[i * header_.width + at]);
    }
    const unsigned unused = static_cast<unsigned>(64 - 8 * header_.width);
    if (header_.is_signed) {
      const auto wide = static_cast<std::int64_t>(value << unused) >> unused;
      out[i] = static_cast<std::int32_t>(std::clamp<std::int64_t>(wide, INT32_MIN, INT32_MAX));
    } else {
      out[i] = static_cast<std::int32_t>(std::min<std::uint64_t>(value, INT32_MAX));
    }
  }
}

void NpyReader::expect_end() {
  if (in_.peek() != std::char_traits<char>::eof()) fail("goes on after its last token");
}

void NpyReader::fail(const std::string& what) const {
  throw sim::InputError(fmt::format("{}: {}", name_, what));
}

void NpyReader::read_header() {
  char start[8] = {};
  in_.read(start, 8);
  if (in_.gcount() != 8 || std::string_view(start, 6) != "\x93NUMPY") fail("is no NumPy array");
  const int version = static_cast<unsigned char>(start[6]);
  if (version < 1 || version > 3) fail(fmt::format("is of the unknown NumPy format {}", version));
  unsigned char length[4] = {};
  in_.read(reinterpret_cast<char*>(length), version == 1 ? 2 : 4);
  std::size_t size = 0;  // little-endian
  for (std::size_t i = 4; i-- > 0;) size = size << 8 | length[i];
  if (!in_ || size > 65'536) fail("has a damaged header");
  std::string text(size, '\0');
  in_.read(text.data(), static_cast<std::streamsize>(size));
  if (static_cast<std::size_t>(in_.gcount()) != size) fail("has a damaged header");
  parse(text);
}

void NpyReader::parse(const std::string& text) {
  const auto after = [&](const char* key) {
    const std::size_t at = text.find(key);
    if (at == std::string::npos) fail(fmt::format("has a damaged header: {} is missing", key));
    const std::size_t colon = std::min(text.find(':', at), text.size() - 1);
    const std::size_t value = text.find_first_not_of(' ', colon + 1);
    if (value == std::string::npos) fail("has a damaged header");
    return text.substr(value);
  };
  const std::string type = after("'descr'").substr(0, 6);  // '<i2',
  const std::size_t end = type.find('\'', 1);
  const std::string descr = end == std::string::npos ? "" : type.substr(1, end - 1);
  if (descr.size() != 3 || (descr[1] != 'i' && descr[1] != 'u') ||
      std::string_view("1248").find(descr[2]) == std::string_view::npos) {
    fail(fmt::format("holds \"{}\", not integers", descr));
  }
  header_.big_endian = descr[0] == '>';
  header_.is_signed = descr[1] == 'i';
  header_.width = static_cast<std::size_t>(descr[2] - '0');
  if (after("'fortran_order'").starts_with("True"))
    fail("is stored column by column; store it with np.ascontiguousarray");
  const std::string shape = after("'shape'");
  const std::size_t close = shape.find(')');
  if (shape.front() != '(' || close == std::string::npos) fail("has a damaged header");
  const char* at = shape.data() + 1;
  const char* last = shape.data() + close;
  std::size_t axes = 0;
  while (at < last) {
    std::uint64_t value = 0;
    const auto [next, error] = std::from_chars(at, last, value);
    if (error != std::errc{}) break;
    if (axes < 3) header_.shape[axes] = value;
    ++axes;
    at = next;
    while (at < last && (*at == ',' || *at == ' ')) ++at;
  }
  if (axes != 3 || at != last) fail("expected the shape (tokens, layers, top_k)");
  constexpr std::uint64_t kMost = 1 << 16;
  if (header_.shape[1] == 0 || header_.shape[1] > kMost || header_.shape[2] == 0 ||
      header_.shape[2] > kMost || header_.shape[1] * header_.shape[2] > 1 << 24) {
    fail(fmt::format("{} layers of {} choices: not a routing", header_.shape[1], header_.shape[2]));
  }
}

}  // namespace moesim::workloads
