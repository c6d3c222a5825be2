// Where importers put tokens: checks them, keeps the layers that are wanted, and writes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "workloads/routing/importers/importers.h"
#include "workloads/routing/trace/trace_writer.h"

namespace moesim::workloads {

// Where a token stands in the input, for messages: "r.json: record 3: choice 0: token 5".
struct TokenPlace {
  std::string_view record;
  std::uint64_t token = 0;
  std::string text() const;
};

class TokenSink {
 public:
  // Throws ConfigError where the number of experts is not given.
  TokenSink(std::filesystem::path out, const ImportOptions& options, std::string source);

  // What comes next is of another request.
  void begin_request(std::uint32_t first_position = 0);
  // `ids` is [layers x top_k] of one token. All tokens must be of one shape, and have a phase or
  // not alike.
  void add(std::span<const std::int32_t> ids, std::uint32_t layers, std::uint32_t top_k,
           std::optional<std::uint32_t> phase, const TokenPlace& where);
  // The layers' numbers in the model, where the recorder knows them; before the first token.
  void name_layers(std::vector<std::int64_t> layer_ids) { layer_ids_ = std::move(layer_ids); }
  void end_step(std::uint32_t dp_rank);
  // Notes how many tokens there were. Throws InputError that names the files where there was none.
  void close(ImportSummary& summary, const Files& files);

 private:
  void start(std::uint32_t layers, std::uint32_t top_k, const TokenPlace& where);
  void flush();

  std::filesystem::path out_;
  ImportOptions options_;
  std::string source_;
  std::vector<std::int64_t> layer_ids_;
  std::unique_ptr<TraceWriter> writer_;  // made with the first token
  std::uint32_t layers_ = 0, top_k_ = 0;
  std::vector<std::uint32_t> keep_;
  std::uint64_t tokens_ = 0, repeated_ = 0;
  std::uint32_t next_request_ = 0, position_ = 0;
  std::vector<ExpertId> ids_;
  std::vector<std::uint32_t> requests_, positions_, phases_;
};

}  // namespace moesim::workloads
