// Writes a routing trace, some tokens at a time. The file appears whole when it is closed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "workloads/routing/routing.h"

namespace moesim::sim::io {
class Hdf5Writer;
}

namespace moesim::workloads {

struct TraceHeader {
  std::uint32_t layers = 0, experts = 0, top_k = 0;
  std::string model = {}, source = {}, created = {};  // left out where empty
  std::vector<std::int64_t> layer_ids = {};           // left out where empty
  std::vector<std::string> domains = {};
  bool physical = false;
};

// Some consecutive tokens. A column is either in every part that is appended or in none.
struct TracePart {
  std::span<const ExpertId> ids;        // [tokens x layers x top_k]
  std::span<const float> weights = {};  // the same shape
  std::span<const std::uint32_t> requests = {};
  std::span<const std::uint32_t> positions = {};
  std::span<const std::uint32_t> phases = {};
  std::span<const std::uint32_t> domains = {};
};

class TraceWriter {
 public:
  // Throws Error where the file cannot be written.
  TraceWriter(const std::filesystem::path& file, TraceHeader header);
  ~TraceWriter();
  TraceWriter(const TraceWriter&) = delete;
  TraceWriter& operator=(const TraceWriter&) = delete;

  // REQUIRES: the parts have the same columns, ids are below `experts` or kMissingExpert
  void append(const TracePart& part);
  // What was appended since the last one is a step (a forward pass). Steps are all of the file or
  // none of it.
  void end_step(std::optional<std::uint32_t> phase = {}, std::optional<std::uint32_t> dp_rank = {});
  std::uint64_t tokens() const { return tokens_; }
  void close();

 private:
  void append_column(std::size_t column, std::span<const std::uint32_t> values);

  TraceHeader header_;
  std::unique_ptr<sim::io::Hdf5Writer> file_;
  std::uint64_t tokens_ = 0;
  std::vector<std::int64_t> step_ends_, step_phases_, step_ranks_;
  std::optional<std::size_t> ids_, weights_, columns_[4];
  std::vector<std::int32_t> buffer_;
};

// The count form, some steps at a time. The file appears whole when it is closed.
class CountWriter {
 public:
  // Throws Error where the file cannot be written.
  CountWriter(const std::filesystem::path& file, const TraceHeader& header);
  ~CountWriter();
  CountWriter(const CountWriter&) = delete;
  CountWriter& operator=(const CountWriter&) = delete;

  // REQUIRES: counts are [steps x layers x experts]
  void append(std::span<const std::uint32_t> counts);
  // `step_domains`: of each step, an index into header.domains; or empty.
  void close(std::span<const std::uint32_t> step_domains = {});

 private:
  std::size_t row_;
  std::unique_ptr<sim::io::Hdf5Writer> file_;
  std::size_t counts_;
};

// The same at once: [steps x layers x experts].
struct CountTrace {
  TraceHeader header;
  std::vector<std::uint32_t> counts;
  std::vector<std::uint32_t> step_domains = {};  // index into header.domains; may be empty
};
void write_counts(const std::filesystem::path& file, const CountTrace& trace);

}  // namespace moesim::workloads
