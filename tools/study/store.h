// A study's results in one SQLite file: a row for every point, what it measured, its whole report.
//
// One point is one transaction: what is there is whole, whatever ended the program. A file is
// written by one process at a time, and read beside it. Tables and columns are in README.md;
// `select * from result` has a row for every point, with a column for each axis and measure.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/io/json.h"
#include "tools/study/study_spec.h"

namespace moesim::tools {

// How a point ended.
enum class PointStatus {
  Done,
  Infeasible,  // it ran, and does not fit; its report is there
  Invalid,     // no such configuration can be: its reason says why
  Failed,
};
const char* name_of(PointStatus status);  // "done", …

struct Point {
  std::uint64_t ord = 0;  // in the order of the axes as they are written, the first the slowest
  std::string id = {};    // of what was run: point_id.h
  PointStatus status = PointStatus::Done;
  std::string reason = {};  // empty where it is done
  Assignments params = {};
  std::vector<std::pair<std::string, double>> metrics = {};
  std::string report = {};  // JSON text; empty where none was made
};

class Store {
 public:
  enum class Access { Read, Write };

  // A new file, to be written. Throws ConfigError where there is one, InputError where it cannot be
  // written.
  static Store create(const std::filesystem::path& file, const StudySpec& spec,
                      const std::string& version);
  // A new file for points of the same study.
  static Store create_like(const std::filesystem::path& file, const Store& other);
  // One that is there. To read it changes nothing. Throws InputError where it is no study or
  // damaged, ConfigError where it is to be written and another process does.
  static Store open(const std::filesystem::path& file, Access access = Access::Read);
  // One that is there, to go on with, or a new one where there is none. Throws what both do, and
  // ConfigError where it is of another study or version.
  static Store resume(const std::filesystem::path& file, const StudySpec& spec,
                      const std::string& version);
  ~Store();
  Store(Store&&) noexcept;

  // Of the study: the JSON of its spec, and the program's version.
  std::string spec() const;
  std::string version() const;
  // How many points the whole study has, those of other shards included; nothing where nobody said.
  void expect(std::uint64_t points);
  std::optional<std::uint64_t> expected() const;

  // Throws InputError where the disk is full; nothing of the point is then there.
  void add(const Point& point);

  std::vector<std::uint64_t> ords() const;  // ascending
  bool has(const std::string& id) const;
  std::optional<Point> find(const std::string& id) const;  // any that has it
  std::optional<Point> find_ord(std::uint64_t ord) const;
  // All points by ord, without their reports: one after another, or at once.
  void each(const std::function<void(Point)>& take) const;
  std::vector<Point> points() const;
  std::string report(std::uint64_t ord) const;  // empty where there is none

  // What was written is one file beside which nothing lies; false where another process reads it
  // just now, and its last points stay in the log beside it.
  bool close();

 private:
  struct Database;
  static Store create(const std::filesystem::path& file, const sim::io::Json& spec,
                      const std::string& version);
  explicit Store(std::unique_ptr<Database> database);
  std::unique_ptr<Database> database_;
};

}  // namespace moesim::tools
