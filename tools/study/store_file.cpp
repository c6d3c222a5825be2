#include "tools/study/store_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "sim/error.h"
#include "sim/io/file_kind.h"

namespace moesim::tools {
namespace {

namespace fs = std::filesystem;
using sqlite::Connection;
using sqlite::Statement;

// The database's first bytes; fewer where it has no more.
std::string header_of(const fs::path& file) {
  std::string header(20, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(header.data(), std::streamsize(header.size()));
  header.resize(static_cast<std::size_t>(in.gcount()));
  return header;
}

// Whether its last writer kept a write-ahead log (sqlite.org/fileformat2.html, 1.3: byte 19).
bool has_log_mode(const fs::path& file) {
  const std::string header = header_of(file);
  return header.size() == 20 && header[19] == 2;
}

fs::path beside(const fs::path& file, const char* suffix) {
  fs::path other = file;
  return other += suffix;
}

bool holds_something(const fs::path& file) {
  std::error_code error;
  return fs::file_size(file, error) > 0 && !error;
}

bool may_write_beside(const fs::path& file) {
  return ::faccessat(AT_FDCWD, fs::absolute(file).parent_path().c_str(), W_OK, AT_EACCESS) == 0;
}

void check_is_file(const fs::path& file) {
  if (sim::io::is_folder(file))
    throw sim::InputError(fmt::format("{}: is a folder; a study is a file", file.string()));
  if (!sim::io::is_file(file))
    throw sim::InputError(fmt::format("{}: there is no such file", file.string()));
}

StoreFile checked(StoreFile opened) {
  Statement tables = opened.connection.prepare(
      "select count(*) from sqlite_master where name in ('study', 'point', 'metric', 'report')");
  if (!tables.step() || tables.integer(0) != 4)
    throw sim::InputError(
        fmt::format("{}: is a database, but no study of moesim", opened.connection.name()));
  return opened;
}

std::string there_already(const fs::path& file) {
  return fmt::format("{}: is there already; --resume goes on with it, another name makes a new one",
                     file.string());
}

}  // namespace

bool is_database(const fs::path& file) {
  std::error_code error;
  return fs::is_regular_file(file, error) && header_of(file).starts_with("SQLite format 3");
}

StoreFile open_to_read(const fs::path& file) {
  check_is_file(file);
  const fs::path log = beside(file, "-wal"), journal = beside(file, "-journal");
  // In the mode of a log that is not there SQLite would make one, which the folder may refuse. The
  // lock keeps writers away, who would begin one.
  if (has_log_mode(file) && !holds_something(log)) {
    auto lock = FileLock::take(file, FileLock::Kind::Shared);
    if (lock && !holds_something(log))
      return checked({std::move(lock), Connection(file, Connection::Mode::Unchanged)});
  }
  try {
    return checked({{}, Connection(file, Connection::Mode::Read)});
  } catch (const sim::InputError&) {
    const fs::path& left = holds_something(log) ? log : journal;
    if (!holds_something(left)) throw;
    // SQLite takes back what a killed writer had half done, where it may.
    if (may_write_beside(file)) return checked({{}, Connection(file, Connection::Mode::ReadWrite)});
    throw sim::InputError(fmt::format(
        "{}: what its last writer left in {} can only be read where the folder can be written: "
        "copy both into one",
        file.string(), left.string()));
  }
}

StoreFile open_to_write(const fs::path& file) {
  check_is_file(file);
  auto lock = FileLock::take(file, FileLock::Kind::Exclusive);
  if (!lock) throw sim::ConfigError(sqlite::used_by_another(file.string()));
  StoreFile opened = checked({std::move(lock), Connection(file, Connection::Mode::ReadWrite)});
  // A write-ahead log, where the file system can have one; else the other journal, whole as well.
  // Not before: another program's database is left as it is.
  opened.connection.execute("pragma journal_mode = wal; pragma synchronous = normal;");
  return opened;
}

NewFile::NewFile(fs::path target) : target_(std::move(target)) {
  if (sim::io::is_folder(target_))
    throw sim::ConfigError(fmt::format("{}: is a folder; a study is a file", target_.string()));
  if (sim::io::is_there(target_)) throw sim::ConfigError(there_already(target_));
  part_ = beside(target_, fmt::format(".{}.part", ::getpid()).c_str());
}

NewFile::~NewFile() {
  std::error_code ignored;
  fs::remove(part_, ignored);
}

void NewFile::publish() const {
  if (::renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0)
    return;
  const int error = errno;
  if (sim::io::is_there(target_)) throw sim::ConfigError(there_already(target_));
  if (error != EINVAL)
    throw sim::InputError(fmt::format("{}: {}", target_.string(), std::strerror(error)));
  fs::rename(part_, target_);  // not every file system can refuse to replace
}

bool fold_log(const fs::path& file) {
  const Connection connection(file, Connection::Mode::ReadWrite);
  try {
    connection.execute("pragma wal_checkpoint(truncate); pragma journal_mode = delete;");
  } catch (const sim::ConfigError&) {
    return false;
  }
  return true;
}

}  // namespace moesim::tools
