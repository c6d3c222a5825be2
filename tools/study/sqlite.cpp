#include "tools/study/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "sim/error.h"

namespace moesim::tools::sqlite {

void Connection::Close::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}

Connection::Connection(const std::filesystem::path& file, Mode mode) : name_(file.string()) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | (mode == Mode::Create ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(name_.c_str(), &handle, flags, nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) fail(code);
  sqlite3_extended_result_codes(handle, 1);
}

void Connection::fail(int code) const {
  const int kind = code & 0xff;
  if (kind == SQLITE_BUSY || kind == SQLITE_LOCKED) {
    throw sim::ConfigError(fmt::format(
        "{}: another process writes it; a study is written by one at a time (shards into files of "
        "their own can be merged)",
        name_));
  }
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
