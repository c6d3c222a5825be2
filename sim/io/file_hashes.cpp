#include "sim/io/file_hashes.h"

#include <system_error>

#include "sim/io/content_hash.h"

namespace moesim::sim::io {

FileStamp stamp_of(const std::filesystem::path& file) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(file, error);
  if (error) return {};
  const auto changed = std::filesystem::last_write_time(file, error);
  if (error) return {};
  return {.bytes = bytes, .changed = changed};
}

std::uint64_t FileHashes::of(const std::filesystem::path& file) {
  // Before it is read: what changes meanwhile is read anew by whoever asks next.
  const FileStamp stamp = stamp_of(file);
  {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(file);
    if (found != known_.end() && found->second.stamp == stamp) return found->second.hash;
  }
  const std::uint64_t hash = content_hash_of(file);
  const std::lock_guard lock(mutex_);
  known_[file] = {.stamp = stamp, .hash = hash};
  return hash;
}

}  // namespace moesim::sim::io
