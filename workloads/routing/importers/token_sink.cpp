#include "workloads/routing/importers/token_sink.h"

#include <fmt/format.h>

#include <bit>

#include "sim/check.h"
#include "sim/error.h"
#include "workloads/routing/importers/said_shape.h"

namespace moesim::workloads {
namespace {

constexpr std::size_t kFlushIds = std::size_t{1} << 20;

// Whether a token's choices in a layer name an expert twice; missing ones are none.
bool repeats(std::span<const std::int32_t> chosen) {
  std::uint64_t seen = 0;
  int present = 0;
  for (const std::int32_t id : chosen) {
    if (id < 0) continue;
    ++present;
    seen |= std::uint64_t{1} << (id % 64);
  }
  if (std::popcount(seen) == present) return false;  // all differ modulo 64
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i] < 0) continue;
    for (std::size_t j = 0; j < i; ++j) {
      if (chosen[j] == chosen[i]) return true;
    }
  }
  return false;
}

}  // namespace

std::string TokenPlace::text() const {
  return fmt::format("{}: token {}", record, token);
}

TokenSink::TokenSink(std::filesystem::path out, const ImportOptions& options, std::string source)
    : out_(std::move(out)), options_(options), source_(std::move(source)) {
  if (options.experts == 0) {
    throw sim::ConfigError("the recording does not say how many experts there are: give --experts");
  }
  if (options.experts > kMostExperts) {
    throw sim::ConfigError(
        fmt::format("expected 1 to {} experts, not {}", kMostExperts, options.experts));
  }
}

void TokenSink::begin_request(std::uint32_t first_position) {
  ++next_request_;
  position_ = first_position;
}

void TokenSink::start(std::uint32_t layers, std::uint32_t top_k, const TokenPlace& where) {
  layers_ = layers;
  top_k_ = top_k;
  if (layers == 0 || top_k == 0 || top_k > options_.experts) {
    throw sim::InputError(
        fmt::format("{}: {} layers, {} choices a token of {} experts: not a routing", where.text(),
                    layers, top_k, options_.experts));
  }
  check_said_layers(where.text(), layers, options_);
  check_said_top_k(where.text(), top_k, options_);
  keep_ = options_.keep;
  for (const std::uint32_t layer : keep_) {
    if (layer >= layers) {
      throw sim::ConfigError(
          fmt::format("--keep-layers: layer {} of {} layers (they count from 0)", layer, layers));
    }
  }
  TraceHeader header{.layers = layers,
                     .experts = options_.experts,
                     .top_k = top_k,
                     .model = options_.model,
                     .source = source_};
  if (keep_.empty()) {
    for (std::uint32_t l = 0; l < layers; ++l) keep_.push_back(l);
    header.layer_ids = layer_ids_;
  } else {
    header.layers = static_cast<std::uint32_t>(keep_.size());
    for (const std::uint32_t layer : keep_) {
      header.layer_ids.push_back(layer_ids_.empty() ? layer : layer_ids_[layer]);
    }
  }
  writer_ = std::make_unique<TraceWriter>(out_, header);
}

void TokenSink::add(std::span<const std::int32_t> ids, std::uint32_t layers, std::uint32_t top_k,
                    std::optional<std::uint32_t> phase, const TokenPlace& where) {
  SIM_CHECK(ids.size() == std::size_t{layers} * top_k, "ids are layers x top_k");
  if (!writer_) start(layers, top_k, where);
  if (layers != layers_ || top_k != top_k_) {
    throw sim::InputError(fmt::format("{}: {} layers of {} choices, but those before have {} of {}",
                                      where.text(), layers, top_k, layers_, top_k_));
  }
  bool repeated = false;
  for (const std::uint32_t layer : keep_) {
    repeated = repeated || repeats(ids.subspan(std::size_t{layer} * top_k, top_k));
    for (std::uint32_t k = 0; k < top_k; ++k) {
      const std::int32_t id = ids[std::size_t{layer} * top_k + k];
      if (id >= static_cast<std::int32_t>(options_.experts)) {
        throw sim::InputError(fmt::format("{}: layer {}: expert {}, but there are {}", where.text(),
                                          layer, id, options_.experts));
      }
      if (id < -1) {
        throw sim::InputError(fmt::format("{}: layer {}: expert {}: what was not recorded is -1",
                                          where.text(), layer, id));
      }
      ids_.push_back(id < 0 ? kMissingExpert : static_cast<ExpertId>(id));
    }
  }
  if (next_request_ == 0) begin_request();
  requests_.push_back(next_request_ - 1);
  positions_.push_back(position_++);
  if (phase) phases_.push_back(*phase);
  ++tokens_;
  repeated_ += repeated ? 1 : 0;
  if (ids_.size() >= kFlushIds) flush();
}

void TokenSink::flush() {
  if (requests_.empty()) return;
  writer_->append({.ids = ids_, .requests = requests_, .positions = positions_, .phases = phases_});
  ids_.clear();
  requests_.clear();
  positions_.clear();
  phases_.clear();
}

void TokenSink::end_step(std::uint32_t dp_rank) {
  flush();
  writer_->end_step({}, dp_rank);
}

void TokenSink::close(ImportSummary& summary, const Files& files) {
  summary.tokens = tokens_;
  check_tokens(summary, files);
  flush();
  writer_->close();
  summary.repeated = repeated_;
}

}  // namespace moesim::workloads
