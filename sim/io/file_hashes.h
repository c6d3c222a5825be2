// Hashes of files, for whoever asks for the same ones again and again: a file is read once, and
// anew when its size or its time of last change are other ones. From any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>

namespace moesim::sim::io {

// What tells that a file is as it was; all zero where there is none.
struct FileStamp {
  std::uintmax_t bytes = 0;
  std::filesystem::file_time_type changed = {};
  bool operator==(const FileStamp&) const = default;
};
FileStamp stamp_of(const std::filesystem::path& file);

class FileHashes {
 public:
  // content_hash_of(file), and throws as it does.
  std::uint64_t of(const std::filesystem::path& file);

 private:
  struct Known {
    FileStamp stamp;
    std::uint64_t hash = 0;
  };
  std::mutex mutex_;
  std::map<std::filesystem::path, Known> known_;
};

}  // namespace moesim::sim::io
