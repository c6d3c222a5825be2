// The file of a study: opened by whoever reads it, opened by the one who writes it, made.
#pragma once

#include <filesystem>
#include <optional>

#include "tools/study/file_lock.h"
#include "tools/study/sqlite.h"

namespace moesim::tools {

struct StoreFile {
  std::optional<FileLock> lock = {};  // goes after the connection (file_lock.h)
  sqlite::Connection connection;
};

// Whether a file begins as SQLite's do. False where it cannot be read.
bool is_database(const std::filesystem::path& file);

// Changes nothing, and sees what is committed, also while another process writes. Throws InputError
// where it is no study or damaged, or where what a killed process left beside it cannot be read.
StoreFile open_to_read(const std::filesystem::path& file);

// Throws ConfigError where another process writes it.
StoreFile open_to_write(const std::filesystem::path& file);

// A file that is made under another name, so that whoever is killed meanwhile leaves no half study.
class NewFile {
 public:
  // Throws ConfigError where there is one of that name.
  explicit NewFile(std::filesystem::path target);
  // What has not got its name is removed.
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  const std::filesystem::path& part() const { return part_; }
  // Gives it its name. Throws ConfigError where another process made one meanwhile.
  void publish() const;

 private:
  std::filesystem::path target_, part_;
};

// One file again, which the caller has locked: what lies in the log goes into the database. False
// where another process reads it meanwhile; the log then stays.
bool fold_log(const std::filesystem::path& file);

}  // namespace moesim::tools
