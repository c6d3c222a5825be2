#include "sim/io/temporary_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "sim/error.h"

namespace moesim::sim::io {
namespace {

namespace fs = std::filesystem;

// Names for a signal handler, which may neither allocate nor wait. One that finds no place is
// removed by its owner alone.
struct Slot {
  std::atomic<bool> taken{false}, live{false};
  std::array<char, 4096> path{};
};
std::array<Slot, 64> g_slots;

int remember(const std::string& path) {
  if (path.size() >= g_slots[0].path.size()) return -1;
  for (std::size_t i = 0; i < g_slots.size(); ++i) {
    if (g_slots[i].taken.exchange(true)) continue;
    std::memcpy(g_slots[i].path.data(), path.c_str(), path.size() + 1);
    g_slots[i].live.store(true);
    return static_cast<int>(i);
  }
  return -1;
}

// Behind /dev and /proc a plain file is somebody's open output: it is written, not replaced.
bool is_open_output(const fs::path& target) {
  const std::string text = target.lexically_normal().string();
  return text.starts_with("/dev/") || text.starts_with("/proc/");
}

// Where a chain of links ends, which need not be there yet.
fs::path behind_links(fs::path target) {
  constexpr int kMost = 40;
  std::error_code error;
  for (int i = 0; i < kMost && fs::is_symlink(target, error); ++i) {
    const fs::path next = fs::read_symlink(target, error);
    if (error) break;
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  return target;
}

bool write_all(int file, const char* bytes, std::size_t count) {
  while (count > 0) {
    const ssize_t written = ::write(file, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes += written;
    count -= static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace

TemporaryFile::TemporaryFile(const fs::path& target) : target_(target) {
  struct stat there = {};
  const bool exists = ::stat(target_.c_str(), &there) == 0;
  in_place_ = exists && (!S_ISREG(there.st_mode) || is_open_output(target_));
  if (!exists && errno == ELOOP) fail(ELOOP);
  if (exists && S_ISDIR(there.st_mode)) fail(EISDIR);
  if (!in_place_) target_ = behind_links(target_);
  const fs::path beside =
      in_place_ ? fs::temp_directory_path() / "moesim" : fs::path(target_.string());
  std::string name = beside.string() + ".tmp.XXXXXX";
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) fail(errno);
  path_ = name;
  slot_ = remember(name);
  // As open() would have made it; one that is replaced keeps its permissions.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  const mode_t mode = exists && !in_place_ ? there.st_mode & 07777 : 0666 & ~mask;
  [[maybe_unused]] const int ignored = ::fchmod(file, mode);
  ::close(file);
}

TemporaryFile::~TemporaryFile() {
  if (path_.empty()) return;
  ::unlink(path_.c_str());
  forget();
}

void TemporaryFile::fail(int error) const {
  throw Error(ExitCode::Failed,
              fmt::format("{}: cannot be written: {}", target_.string(), std::strerror(error)));
}

void TemporaryFile::forget() {
  path_.clear();
  if (slot_ < 0) return;
  Slot& slot = g_slots[static_cast<std::size_t>(slot_)];
  slot.live.store(false);
  slot.taken.store(false);
  slot_ = -1;
}

void TemporaryFile::commit() {
  if (in_place_) {
    copy_into_target();
    ::unlink(path_.c_str());
    forget();
    return;
  }
  const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(errno);
  const int synced = ::fsync(file), why = errno;
  ::close(file);
  if (synced != 0 && why != EINVAL) fail(why);
  if (::rename(path_.c_str(), target_.c_str()) != 0) fail(errno);
  forget();
  // The name is on the disk, too, where the folder can say so.
  const fs::path folder = target_.has_parent_path() ? target_.parent_path() : ".";
  if (const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); opened >= 0) {
    ::fsync(opened);
    ::close(opened);
  }
}

void TemporaryFile::copy_into_target() {
  const int from = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) fail(errno);
  const int to = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
  if (to < 0) {
    const int why = errno;
    ::close(from);
    fail(why);
  }
  std::vector<char> part(std::size_t{1} << 16);
  int why = 0;
  for (;;) {
    const ssize_t count = ::read(from, part.data(), part.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      why = count < 0 ? errno : 0;
      break;
    }
    if (!write_all(to, part.data(), static_cast<std::size_t>(count))) {
      why = errno;
      break;
    }
  }
  ::close(from);
  if (::close(to) != 0 && why == 0) why = errno;
  if (why != 0) fail(why);
}

void remove_temporaries() {
  for (Slot& slot : g_slots) {
    if (slot.live.load()) ::unlink(slot.path.data());
  }
}

}  // namespace moesim::sim::io
