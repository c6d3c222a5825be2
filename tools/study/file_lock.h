// A lock on a file between processes. It ends with whoever holds it, however that does.
#pragma once

#include <filesystem>
#include <optional>

namespace moesim::tools {

// Lies on one byte behind all that SQLite writes or locks, so that neither disturbs the other. It
// must outlive connections to the file in the same process: whoever closes a file ends the locks
// that SQLite has on it there.
class FileLock {
 public:
  enum class Kind { Shared, Exclusive };

  // Nothing where another has one that excludes it. Throws InputError "FILE: why" where the file
  // cannot be opened (an exclusive one: for writing) or its file system has no locks.
  static std::optional<FileLock> take(const std::filesystem::path& file, Kind kind);
  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace moesim::tools
