// SQLite's C interface, with handles that close themselves and errors that are thrown.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace moesim::tools::sqlite {

class Statement;

// "FILE: is in use by another process; …"
std::string used_by_another(const std::string& file);

// Errors are InputError "FILE: …", of a lock that another process holds ConfigError.
class Connection {
 public:
  enum class Mode {
    Read,       // beside whoever writes
    Unchanged,  // of a file that nobody writes: no lock, nothing is made beside it
    ReadWrite,
    Create
  };
  // `name`: of the file in messages, where not its own.
  Connection(const std::filesystem::path& file, Mode mode, const std::string& name = {});

  void execute(const std::string& statements) const;
  Statement prepare(std::string_view statement) const;
  [[noreturn]] void fail(int code) const;
  const std::string& name() const { return name_; }

 private:
  friend class Statement;
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  std::string name_;
  std::unique_ptr<sqlite3, Close> handle_;
};

// Parameters are bound in order from 1, columns read from 0.
class Statement {
 public:
  Statement& bind(std::int64_t value);
  Statement& bind(double value);
  Statement& bind(std::string_view text);
  Statement& bind_blob(std::string_view bytes);
  Statement& bind_null();

  // Whether there is a row.
  bool step();
  // To the end, and ready to be bound anew.
  void run();
  // Ready to be bound anew, wherever it stands.
  void reset();

  std::int64_t integer(int column) const;
  double number(int column) const;
  std::string text(int column) const;
  std::string blob(int column) const;
  bool is_null(int column) const;

 private:
  friend class Connection;
  struct Finalise {
    void operator()(sqlite3_stmt* handle) const;
  };
  Statement(const Connection& connection, sqlite3_stmt* handle)
      : connection_(&connection), handle_(handle) {}
  void check(int code) const;

  const Connection* connection_;
  std::unique_ptr<sqlite3_stmt, Finalise> handle_;
  int next_ = 1;
};

}  // namespace moesim::tools::sqlite
