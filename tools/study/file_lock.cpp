#include "tools/study/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "sim/error.h"

namespace moesim::tools {

std::optional<FileLock> FileLock::take(const std::filesystem::path& file, Kind kind) {
  const bool exclusive = kind == Kind::Exclusive;
  FileLock taken(::open(file.c_str(), (exclusive ? O_RDWR : O_RDONLY) | O_CLOEXEC));
  // Of the open file, not of the process: nothing else that this process closes ends it.
  struct flock lock {};
  lock.l_type = exclusive ? F_WRLCK : F_RDLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = std::numeric_limits<off_t>::max() - 1;
  lock.l_len = 1;
  const bool opened = taken.descriptor_ >= 0;
  if (opened && ::fcntl(taken.descriptor_, F_OFD_SETLK, &lock) == 0) return taken;
  if (opened && (errno == EAGAIN || errno == EACCES)) return {};
  throw sim::InputError(fmt::format("{}: {}", file.string(), std::strerror(errno)));
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}
FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

}  // namespace moesim::tools
