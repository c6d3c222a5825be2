// A short name for some bytes: XXH64 with seed 0 (Y. Collet's xxHash, doc/xxhash_spec.md), which
// `xxhsum -H64` prints. Eight bytes at a time. Against accidents, not against enemies.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace moesim::sim::io {

class ContentHash {
 public:
  ContentHash();
  // The bytes may come in pieces of any size.
  void add(std::span<const char> bytes);
  std::uint64_t value() const;

 private:
  static constexpr std::size_t kStripe = 32;
  void take(const char* stripe);

  std::array<std::uint64_t, 4> lanes_;
  std::array<char, kStripe> rest_{};
  std::size_t size_ = 0;
};

std::uint64_t content_hash(std::span<const char> bytes);
// Throws InputError "FILE: cannot be read".
std::uint64_t content_hash_of(const std::filesystem::path& file);

}  // namespace moesim::sim::io
