// JSON as a stream of events: one value or several after another (JSON lines), never whole in
// memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace moesim::workloads {

// Told what comes, in order. Throws to stop. `record` counts the values at the top from 1; the
// items of a list at the top count as records, too.
class JsonEvents {
 public:
  virtual ~JsonEvents() = default;
  virtual void begin_record(std::uint64_t record) = 0;  // an object at the top
  virtual void end_record() = 0;
  virtual void key(const std::string& name) = 0;
  virtual void integer(std::int64_t value) = 0;
  virtual void text(std::string& value) = 0;
  virtual void other() = 0;  // null, true, false, a number that is no integer of 64 bits
  virtual void begin_list() = 0;
  virtual void end_list() = 0;
  virtual void begin_object() = 0;  // inside a record
  virtual void end_object() = 0;
};

// Reads a file (gzip is unpacked on the way) value by value. Throws InputError "FILE: record N: …"
// where it cannot be read, is not JSON, or is nested deeper than 100, and where a record holds more
// than 352 MiB.
class JsonEventReader {
 public:
  JsonEventReader(const std::filesystem::path& file, JsonEvents& events);
  ~JsonEventReader();

  // Tells the events of the next value at the top; false at the end of the file.
  bool next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The whole file.
void read_json_events(const std::filesystem::path& file, JsonEvents& events);

}  // namespace moesim::workloads
