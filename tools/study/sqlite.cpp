#include "tools/study/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cctype>

#include "sim/error.h"

namespace moesim::tools::sqlite {

std::string used_by_another(const std::string& file) {
  return fmt::format(
      "{}: is in use by another process; a study is written by one at a time (shards in files of "
      "their own can be merged)",
      file);
}

void Connection::Close::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}

namespace {

constexpr int kPatience = 2000;  // milliseconds, for a lock

int flags_of(Connection::Mode mode) {
  switch (mode) {
    case Connection::Mode::Read:
      return SQLITE_OPEN_READONLY;
    case Connection::Mode::Unchanged:
      return SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
    case Connection::Mode::ReadWrite:
      return SQLITE_OPEN_READWRITE;
    case Connection::Mode::Create:
      return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  }
  return 0;
}

// RFC 3986: what is neither a letter, a digit nor a slash as %XX.
std::string immutable_uri(const std::filesystem::path& file) {
  std::string uri = "file:";
  for (const char c : std::filesystem::absolute(file).string()) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = c == '/' || c == '.' || (byte < 0x80 && std::isalnum(byte) != 0);
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return uri + "?immutable=1";
}

}  // namespace

Connection::Connection(const std::filesystem::path& file, Mode mode, const std::string& name)
    : name_(name.empty() ? file.string() : name) {
  sqlite3* handle = nullptr;
  const std::string opened = mode == Mode::Unchanged ? immutable_uri(file) : file.string();
  const int code = sqlite3_open_v2(opened.c_str(), &handle, flags_of(mode), nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) fail(code);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kPatience);
}

void Connection::fail(int code) const {
  const int kind = code & 0xff;
  if (kind == SQLITE_BUSY || kind == SQLITE_LOCKED) throw sim::ConfigError(used_by_another(name_));
  if (kind == SQLITE_NOTADB || kind == SQLITE_CORRUPT)
    throw sim::InputError(
        fmt::format("{}: is no study, or damaged: {}", name_, sqlite3_errstr(kind)));
  throw sim::InputError(fmt::format(
      "{}: {}", name_, handle_ != nullptr ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code)));
}

void Connection::execute(const std::string& statements) const {
  const int code = sqlite3_exec(handle_.get(), statements.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

Statement Connection::prepare(std::string_view statement) const {
  sqlite3_stmt* handle = nullptr;
  const int code = sqlite3_prepare_v2(handle_.get(), statement.data(),
                                      static_cast<int>(statement.size()), &handle, nullptr);
  if (code != SQLITE_OK) fail(code);
  return {*this, handle};
}

void Statement::Finalise::operator()(sqlite3_stmt* handle) const {
  sqlite3_finalize(handle);
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) connection_->fail(code);
}

Statement& Statement::bind(std::int64_t value) {
  check(sqlite3_bind_int64(handle_.get(), next_++, value));
  return *this;
}
Statement& Statement::bind(double value) {
  check(sqlite3_bind_double(handle_.get(), next_++, value));
  return *this;
}
Statement& Statement::bind(std::string_view text) {
  check(sqlite3_bind_text64(handle_.get(), next_++, text.data(), text.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8));
  return *this;
}
Statement& Statement::bind_blob(std::string_view bytes) {
  check(sqlite3_bind_blob64(handle_.get(), next_++, bytes.data(), bytes.size(), SQLITE_TRANSIENT));
  return *this;
}
Statement& Statement::bind_null() {
  check(sqlite3_bind_null(handle_.get(), next_++));
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3_reset(handle_.get());
  next_ = 1;
  connection_->fail(code);
}

void Statement::run() {
  while (step()) {
  }
  reset();
}
void Statement::reset() {
  check(sqlite3_reset(handle_.get()));
  next_ = 1;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}
double Statement::number(int column) const {
  return sqlite3_column_double(handle_.get(), column);
}
std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}
std::string Statement::blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(handle_.get(), column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}
bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

}  // namespace moesim::tools::sqlite
