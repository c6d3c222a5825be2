#include "sim/io/content_hash.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <vector>

#include "sim/error.h"

namespace moesim::sim::io {
namespace {

constexpr std::uint64_t kPrimes[] = {0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                                     0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5};

// As little-endian machines have them; the spec says so for all.
template <class Word>
std::uint64_t word(const char* bytes) {
  static_assert(std::endian::native == std::endian::little);
  Word value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

std::uint64_t rounded(std::uint64_t lane, std::uint64_t input) {
  return std::rotl(lane + input * kPrimes[1], 31) * kPrimes[0];
}

}  // namespace

ContentHash::ContentHash()
    : lanes_{kPrimes[0] + kPrimes[1], kPrimes[1], 0, std::uint64_t{0} - kPrimes[0]} {}

void ContentHash::take(const char* stripe) {
  for (std::size_t i = 0; i < lanes_.size(); ++i)
    lanes_[i] = rounded(lanes_[i], word<std::uint64_t>(stripe + 8 * i));
}

void ContentHash::add(std::span<const char> bytes) {
  const std::size_t held = size_ % kStripe;
  size_ += bytes.size();
  if (held > 0) {
    const std::size_t more = std::min(kStripe - held, bytes.size());
    std::copy_n(bytes.begin(), more, rest_.begin() + static_cast<std::ptrdiff_t>(held));
    if (held + more < kStripe) return;
    take(rest_.data());
    bytes = bytes.subspan(more);
  }
  for (; bytes.size() >= kStripe; bytes = bytes.subspan(kStripe)) take(bytes.data());
  std::copy(bytes.begin(), bytes.end(), rest_.begin());
}

std::uint64_t ContentHash::value() const {
  std::uint64_t hash = kPrimes[4];
  if (size_ >= kStripe) {
    hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) +
           std::rotl(lanes_[3], 18);
    for (const std::uint64_t lane : lanes_)
      hash = (hash ^ rounded(0, lane)) * kPrimes[0] + kPrimes[3];
  }
  hash += size_;
  const char* at = rest_.data();
  const char* const end = at + size_ % kStripe;
  for (; end - at >= 8; at += 8) {
    hash ^= rounded(0, word<std::uint64_t>(at));
    hash = std::rotl(hash, 27) * kPrimes[0] + kPrimes[3];
  }
  if (end - at >= 4) {
    hash ^= word<std::uint32_t>(at) * kPrimes[0];
    hash = std::rotl(hash, 23) * kPrimes[1] + kPrimes[2];
    at += 4;
  }
  for (; at != end; ++at) {
    hash ^= static_cast<unsigned char>(*at) * kPrimes[4];
    hash = std::rotl(hash, 11) * kPrimes[0];
  }
  hash = (hash ^ hash >> 33) * kPrimes[1];
  hash = (hash ^ hash >> 29) * kPrimes[2];
  return hash ^ hash >> 32;
}

std::uint64_t content_hash(std::span<const char> bytes) {
  ContentHash hash;
  hash.add(bytes);
  return hash.value();
}

std::uint64_t content_hash_of(const std::filesystem::path& file) {
  std::ifstream input(file, std::ios::binary);
  if (!input) throw InputError(fmt::format("{}: cannot be read", file.string()));
  ContentHash hash;
  std::vector<char> block(std::size_t{1} << 16);  // more would be new pages for every file
  while (input.read(block.data(), static_cast<std::streamsize>(block.size())) || input.gcount() > 0)
    hash.add(std::span(block).first(static_cast<std::size_t>(input.gcount())));
  return hash.value();
}

}  // namespace moesim::sim::io
