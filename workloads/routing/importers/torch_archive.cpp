#include "workloads/routing/importers/torch_archive.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/error.h"

namespace moesim::workloads {
namespace {

constexpr std::uint64_t kMostDirectory = std::uint64_t{64} << 20;
constexpr std::uint64_t kMostPickle = std::uint64_t{64} << 20;

// Little-endian, as zip is.
std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = width; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

}  // namespace

bool is_torch_archive(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  char start[4] = {};
  in.read(start, 4);
  return in.gcount() == 4 && std::string_view(start, 4) == "PK\x03\x04";
}

TorchArchive::TorchArchive(const std::filesystem::path& file)
    : name_(file.string()), in_(file, std::ios::binary) {
  in_.seekg(0, std::ios::end);
  if (!in_) fail("cannot be read");
  size_ = static_cast<std::uint64_t>(in_.tellg());
  read_directory();
  const auto order = entries_.find("byteorder");
  if (order != entries_.end()) {
    const std::string text =
        bytes_at(data_of(order->second), std::min<std::uint64_t>(order->second.size, 16));
    if (text != "little") fail("was saved by a big-endian machine");
  }
}

std::string TorchArchive::pickle() {
  const Entry& found = entry("data.pkl");
  if (found.size > kMostPickle) {
    fail(fmt::format("data.pkl has {} bytes, more than {} MiB", found.size, kMostPickle >> 20));
  }
  return bytes_at(data_of(found), found.size);
}

void TorchArchive::read(const std::string& key, std::uint64_t offset, std::span<char> out) {
  const Entry& found = storage(key);
  in_.clear();
  in_.seekg(static_cast<std::streamoff>(data_of(found) + offset));
  in_.read(out.data(), static_cast<std::streamsize>(out.size()));
  if (static_cast<std::size_t>(in_.gcount()) != out.size()) fail("ends within data/" + key);
}

void TorchArchive::fail(const std::string& what) const {
  throw sim::InputError(fmt::format("{}: {}", name_, what));
}

std::string TorchArchive::bytes_at(std::uint64_t offset, std::uint64_t size) {
  if (offset > size_ || size > size_ - offset) fail("is damaged: a part lies beyond its end");
  std::string bytes(size, '\0');
  in_.clear();
  in_.seekg(static_cast<std::streamoff>(offset));
  in_.read(bytes.data(), static_cast<std::streamsize>(size));
  if (static_cast<std::uint64_t>(in_.gcount()) != size) fail("cannot be read");
  return bytes;
}

// The end of the directory (22 bytes and a comment) is looked for from the file's end. Where a
// number does not fit its 2 or 4 bytes the zip64 record, 20 bytes before, has it.
void TorchArchive::read_directory() {
  constexpr std::uint64_t kEnd = 22, kMostComment = 65535, kLocator = 20;
  const std::uint64_t tail = std::min(size_, kEnd + kMostComment);
  const std::string bytes = bytes_at(size_ - tail, tail);
  const std::size_t end = bytes.rfind("PK\x05\x06");
  if (end == std::string::npos || bytes.size() - end < kEnd) {
    fail("is a zip without its directory: was it copied whole?");
  }
  std::uint64_t length = number(bytes, end + 12, 4), start = number(bytes, end + 16, 4);
  if ((length == 0xFFFFFFFF || start == 0xFFFFFFFF) && end >= kLocator &&
      bytes.compare(end - kLocator, 4, "PK\x06\x07") == 0) {
    const std::string wide = bytes_at(number(bytes, end - kLocator + 8, 8), 56);
    if (!wide.starts_with("PK\x06\x06"))
      fail("is damaged: its zip64 record is not where it should be");
    length = number(wide, 40, 8);
    start = number(wide, 48, 8);
  }
  if (length > kMostDirectory) fail("is damaged: its directory is too large");
  const std::string directory = bytes_at(start, length);
  constexpr std::size_t kEntry = 46;
  for (std::size_t at = 0; at + kEntry <= directory.size();) {
    if (directory.compare(at, 4, "PK\x01\x02") != 0)
      fail("is damaged: its directory is no directory");
    const std::uint64_t method = number(directory, at + 10, 2);
    const std::size_t name = number(directory, at + 28, 2), extra = number(directory, at + 30, 2),
                      comment = number(directory, at + 32, 2);
    Entry entry{number(directory, at + 42, 4), number(directory, at + 24, 4)};
    const std::uint64_t packed = number(directory, at + 20, 4);
    if (directory.size() - at - kEntry < name + extra) fail("is damaged: its directory ends early");
    // zip64: the numbers that did not fit, in this order.
    for (std::size_t x = at + kEntry + name; x + 4 <= at + kEntry + name + extra;) {
      const std::uint64_t id = number(directory, x, 2), size = number(directory, x + 2, 2);
      std::size_t field = x + 4;
      const std::size_t last = std::min(field + size, at + kEntry + name + extra);
      const auto take = [&](bool wanted, std::uint64_t& value) {
        if (!wanted || id != 1 || field + 8 > last) return;
        value = number(directory, field, 8);
        field += 8;
      };
      std::uint64_t packed_too = 0;
      const bool size_wide = entry.size == 0xFFFFFFFF, header_wide = entry.header == 0xFFFFFFFF;
      take(size_wide, entry.size);
      take(packed == 0xFFFFFFFF, packed_too);
      take(header_wide, entry.header);
      x = last;
    }
    const std::string path = directory.substr(at + kEntry, name);
    at += kEntry + name + extra + comment;
    const std::size_t slash = path.find('/');
    if (slash == std::string::npos) continue;
    if (method != 0) fail(path + " is compressed, as torch.save does not write it");
    entries_.insert_or_assign(path.substr(slash + 1), entry);
  }
}

// The local header has 30 bytes, then a name and padding of its own lengths.
std::uint64_t TorchArchive::data_of(const Entry& entry) {
  constexpr std::uint64_t kHeader = 30;
  const std::string header = bytes_at(entry.header, kHeader);
  if (!header.starts_with("PK\x03\x04")) fail("is damaged: a part does not begin where it should");
  const std::uint64_t data = entry.header + kHeader + number(header, 26, 2) + number(header, 28, 2);
  if (data > size_ || entry.size > size_ - data) fail("is damaged: a part lies beyond its end");
  return data;
}

const TorchArchive::Entry& TorchArchive::entry(const std::string& path) const {
  const auto found = entries_.find(path);
  if (found == entries_.end()) fail(path + " is missing; is this of torch.save?");
  return found->second;
}

}  // namespace moesim::workloads
