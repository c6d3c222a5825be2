#include "sim/io/hdf5_header.h"

#include <fmt/format.h>

#include "sim/error.h"

namespace moesim::sim::io {
namespace {

constexpr std::size_t kWidth = 8;  // of places and lengths

// Blocks of messages, each of which may say where the next one is.
class Header {
 public:
  Header(Hdf5Bytes& file, std::uint64_t place) : file_(file), place_(place) {}

  std::vector<Hdf5Message> read() {
    constexpr std::size_t kLeast = 12, kMost = 64;
    std::string head = file_.read_most(place_, kMost);
    if (head.size() < kLeast) fail("goes on beyond the end of the file");
    head.resize(kMost, '\0');
    if (head.starts_with("OHDR")) {
      const std::uint64_t flags = number_at(head, 5, 1);
      const std::size_t size = 6 + ((flags & 0x20) != 0 ? 16 : 0) + ((flags & 0x10) != 0 ? 4 : 0);
      const std::size_t width = std::size_t{1} << (flags & 3);
      message_head_ = (flags & 4) != 0 ? 6 : 4;
      add_block(place_ + size + width, number_at(head, size, width));
    } else if (head[0] == 1) {
      is_old_ = true;
      message_head_ = 8;
      add_block(place_ + 16, number_at(head, 8, 4));
    }
    for (std::size_t i = 0; i < blocks_.size(); ++i) read_block(blocks_[i]);
    return std::move(messages_);
  }

 private:
  struct Block {
    std::uint64_t at, size;
  };

  // Blocks may lead to themselves.
  void add_block(std::uint64_t at, std::uint64_t size) {
    constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20, kMostBlocks = 4096;
    if (at > file_.size() || size > file_.size() - at) fail("goes on beyond the end of the file");
    bytes_ += size;
    if (bytes_ > kMostBytes || blocks_.size() == kMostBlocks)
      fail(fmt::format("has more than {} bytes or {} parts", kMostBytes, kMostBlocks));
    blocks_.push_back({at, size});
  }

  void read_block(Block block) {
    const std::string bytes = file_.read_most(block.at, block.size);
    for (std::string_view left = bytes; left.size() >= message_head_;) {
      const std::size_t kind_width = is_old_ ? 2 : 1;
      const std::uint64_t size = number_at(left, kind_width, 2);
      Hdf5Message message{.kind = number_at(left, 0, kind_width),
                          .is_shared = (number_at(left, kind_width + 2, 1) & 2) != 0,
                          .body = {}};
      left.remove_prefix(message_head_);
      if (size > left.size()) return;  // the library says so
      // The library reads on whatever the message's size.
      if (message.kind == Hdf5Message::kContinued) add_continuation(left);
      message.body = left.substr(0, size);
      left.remove_prefix(size);
      messages_.push_back(std::move(message));
    }
  }

  // The newer kind has a signature before its messages and a checksum behind.
  void add_continuation(std::string_view body) {
    if (body.size() < 2 * kWidth) fail("ends early");
    const std::uint64_t at = number_at(body, 0, kWidth);
    const std::uint64_t size = number_at(body, kWidth, kWidth);
    const std::uint64_t signature = is_old_ ? 0 : 4;
    if (size < 2 * signature || at > UINT64_MAX - signature) fail("has a part of no size");
    add_block(at + signature, size - 2 * signature);
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(
        fmt::format("{}: is damaged: the header at byte {} {}", file_.name(), place_, what));
  }

  Hdf5Bytes& file_;
  std::uint64_t place_;
  bool is_old_ = false;
  std::size_t message_head_ = 0;
  std::vector<Block> blocks_;
  std::uint64_t bytes_ = 0;  // of all blocks
  std::vector<Hdf5Message> messages_;
};

}  // namespace

std::vector<Hdf5Message> header_messages(Hdf5Bytes& file, std::uint64_t place) {
  return Header(file, place).read();
}

}  // namespace moesim::sim::io
