#include "workloads/routing/trace/trace.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/check.h"
#include "sim/error.h"
#include "workloads/routing/trace/stored_ids.h"

namespace moesim::workloads {
namespace {

constexpr const char* kColumns[] = {"/token/request_id", "/token/position", "/token/phase",
                                    "/token/domain"};
constexpr std::int64_t kMostCount = 0xFFFFFFFF;  // selections of an expert in a step

}  // namespace

std::string ambiguity(const TraceInfo& info) {
  return fmt::format(
      "{0} marks a missing selection, as the largest number of its type, so expert {0} has none: "
      "store /expert_ids in a wider type",
      info.ambiguous_expert.value());
}

std::uint64_t RoutingTrace::chunk_tokens() const {
  return std::max<std::uint64_t>(data_.chunk_rows(), 1);
}

// Of all layers of the file, the dense ones too: experts of its space, and -1 where missing.
void RoutingTrace::read_raw_ids(std::uint64_t first, std::uint64_t count,
                                std::vector<std::int32_t>& out) const {
  const auto stray = read_stored_ids(data_, stored_experts_, first, count, out);
  if (!stray) return;
  const std::uint64_t row = data_.row_size();
  const std::size_t in_row = stray->index % row;
  fail("/expert_ids",
       fmt::format("[{}, {}, {}]: expected an expert, 0 to {}, or {} for a missing "
                   "one, not {}",
                   first + stray->index / row, in_row / info_.top_k, in_row % info_.top_k,
                   stored_experts_ - 1, missing_mark(data_), stray->number));
}

void RoutingTrace::read_ids(std::uint64_t first, std::uint64_t count,
                            std::vector<ExpertId>& out) const {
  SIM_CHECK(info_.per_token && first + count <= info_.tokens, "the tokens are the trace's");
  const std::size_t k = info_.top_k, row = std::size_t{info_.layers} * k;
  out.resize(count * row);
  std::vector<std::int32_t> raw;
  const std::uint64_t slab =
      std::max<std::uint64_t>((std::uint64_t{1} << 18) / data_.row_size(), 1);
  for (std::uint64_t done = 0; done < count; done += slab) {
    const std::uint64_t part = std::min(slab, count - done);
    read_raw_ids(first + done, part, raw);
    ExpertId* to = out.data() + done * row;
    if (as_stored()) {
      static_assert(static_cast<ExpertId>(-1) == kMissingExpert);
      for (std::size_t i = 0; i < raw.size(); ++i) to[i] = static_cast<ExpertId>(raw[i]);
      continue;
    }
    for (std::uint64_t t = 0; t < part; ++t) {
      for (const std::uint32_t layer : layer_of_) {
        const std::int32_t* from = raw.data() + (t * stored_layers_ + layer) * k;
        for (std::size_t i = 0; i < k; ++i) {
          const auto id = static_cast<ExpertId>(from[i]);
          *to++ = id == kMissingExpert || logical_.empty()
                      ? id
                      : logical_[std::size_t{layer} * stored_experts_ + id];
        }
      }
    }
  }
}

template <class Id>
bool RoutingTrace::read_narrow(std::uint64_t first, std::uint64_t count,
                               std::vector<Id>& out) const {
  SIM_CHECK(info_.per_token && first + count <= info_.tokens, "the tokens are the trace's");
  if (as_stored() && read_narrow_ids(data_, stored_experts_, first, count, out)) return true;
  std::vector<ExpertId> wide;
  read_ids(first, count, wide);
  out.resize(wide.size());
  bool missing = false;
  for (std::size_t i = 0; i < wide.size(); ++i) {
    missing |= wide[i] == kMissingExpert;
    out[i] = static_cast<Id>(wide[i]);
  }
  return !missing || info_.experts <= static_cast<Id>(-1);
}

bool RoutingTrace::read_ids(std::uint64_t first, std::uint64_t count,
                            std::vector<std::uint8_t>& out) const {
  return read_narrow(first, count, out);
}

bool RoutingTrace::read_ids(std::uint64_t first, std::uint64_t count,
                            std::vector<std::uint16_t>& out) const {
  return read_narrow(first, count, out);
}

void RoutingTrace::read_weights(std::uint64_t first, std::uint64_t count,
                                std::vector<float>& out) const {
  SIM_CHECK(weights_.has_value(), "the trace has weights");
  const std::size_t k = info_.top_k;
  std::vector<float> raw(count * stored_layers_ * k);
  weights_->read(first, count, std::span(raw));
  out.clear();
  for (std::uint64_t t = 0; t < count; ++t) {
    for (const std::uint32_t layer : layer_of_) {
      const float* from = raw.data() + (t * stored_layers_ + layer) * k;
      out.insert(out.end(), from, from + k);
    }
  }
}

void RoutingTrace::read_gate_scores(std::uint64_t first, std::uint64_t count,
                                    std::vector<float>& out) const {
  SIM_CHECK(scores_.has_value(), "the trace has gate scores");
  if (!logical_.empty())
    fail("/gate_scores", "are of physical experts; routers score logical ones");
  std::vector<float> raw(count * stored_layers_ * info_.experts);
  scores_->read(first, count, std::span(raw));
  out.clear();
  for (std::uint64_t t = 0; t < count; ++t) {
    for (const std::uint32_t layer : layer_of_) {
      const float* from = raw.data() + (t * stored_layers_ + layer) * info_.experts;
      out.insert(out.end(), from, from + info_.experts);
    }
  }
}

std::vector<float> RoutingTrace::gate_bias() const {
  SIM_CHECK(bias_.has_value(), "the trace has a gate bias");
  std::vector<float> raw(std::size_t{stored_layers_} * stored_experts_), out;
  bias_->read(0, stored_layers_, std::span(raw));
  for (const std::uint32_t layer : layer_of_) {
    const float* from = raw.data() + std::size_t{layer} * stored_experts_;
    out.insert(out.end(), from, from + stored_experts_);
  }
  return out;
}

bool RoutingTrace::read_column(TokenColumn column, std::uint64_t first, std::uint64_t count,
                               std::vector<std::uint32_t>& out) const {
  const auto& dataset = columns_[static_cast<std::size_t>(column)];
  out.clear();
  if (!dataset) return false;
  std::vector<std::int64_t> raw(count);
  dataset->read(first, count, std::span(raw));
  const std::int64_t most = column == TokenColumn::Phase ? kMostPhase
                            : column == TokenColumn::Domain && !info_.domains.empty()
                                ? static_cast<std::int64_t>(info_.domains.size()) - 1
                                : 0xFFFFFFFF;
  for (std::size_t i = 0; i < count; ++i) {
    if (raw[i] < 0 || raw[i] > most) {
      fail(kColumns[static_cast<std::size_t>(column)],
           fmt::format("token {}: expected 0 to {}, not {}", first + i, most, raw[i]));
    }
    out.push_back(static_cast<std::uint32_t>(raw[i]));
  }
  return true;
}

std::vector<std::uint64_t> RoutingTrace::step_offsets() const {
  if (!offsets_) return {};
  std::vector<std::int64_t> raw(offsets_->rows());
  offsets_->read(0, offsets_->rows(), std::span(raw));
  std::vector<std::uint64_t> out;
  for (std::size_t s = 0; s < raw.size(); ++s) {
    const std::int64_t before = s == 0 ? 0 : raw[s - 1];
    if (raw[s] < before || (s == 0 && raw[s] != 0) ||
        static_cast<std::uint64_t>(raw[s]) > info_.tokens) {
      fail("/step/token_offset",
           fmt::format("entry {} is {}; expected them to ascend from 0 to at most {}", s, raw[s],
                       info_.tokens));
    }
    out.push_back(static_cast<std::uint64_t>(raw[s]));
  }
  return out;
}

std::vector<std::uint32_t> RoutingTrace::step_ranks() const {
  if (!step_rank_) return {};
  std::vector<std::int64_t> raw(info_.steps);
  step_rank_->read(0, info_.steps, std::span(raw));
  std::vector<std::uint32_t> out;
  for (const std::int64_t rank : raw) {
    if (rank < 0 || rank > 0xFFFFFFFF) fail("/step/dp_rank", fmt::format("{} is no rank", rank));
    out.push_back(static_cast<std::uint32_t>(rank));
  }
  return out;
}

void RoutingTrace::read_counts(std::uint64_t step, std::vector<std::uint32_t>& out) const {
  SIM_CHECK(!info_.per_token && step < info_.steps, "the step is the trace's");
  std::vector<std::int64_t> raw(data_.row_size());
  data_.read(step, 1, std::span(raw));
  out.assign(std::size_t{info_.layers} * info_.experts, 0);
  for (std::size_t l = 0; l < layer_of_.size(); ++l) {
    for (std::size_t e = 0; e < stored_experts_; ++e) {
      const std::size_t place = layer_of_[l] * std::size_t{stored_experts_} + e;
      std::uint32_t& count = out[l * info_.experts + (logical_.empty() ? e : logical_[place])];
      const std::int64_t most = kMostCount - std::int64_t{count};  // of one logical expert
      if (raw[place] < 0 || raw[place] > most) {
        fail("/counts", fmt::format("[{}, {}, {}]: expected a count, 0 to {}, not {}", step,
                                    layer_of_[l], e, most, raw[place]));
      }
      count += static_cast<std::uint32_t>(raw[place]);
    }
  }
}

std::vector<std::uint32_t> RoutingTrace::step_domains() const {
  if (!step_domain_) return {};
  std::vector<std::int64_t> raw(info_.steps);
  step_domain_->read(0, info_.steps, std::span(raw));
  std::vector<std::uint32_t> out;
  for (const std::int64_t domain : raw) {
    if (domain < 0 || domain >= static_cast<std::int64_t>(info_.domains.size())) {
      fail("/step/domain",
           fmt::format("expected one of {} domains, not {}", info_.domains.size(), domain));
    }
    out.push_back(static_cast<std::uint32_t>(domain));
  }
  return out;
}

}  // namespace moesim::workloads
