#include "workloads/routing/trace/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sim/error.h"
#include "workloads/routing/trace/stored_ids.h"

namespace moesim::workloads {
namespace {

using sim::io::Hdf5Dataset;
using sim::io::Hdf5File;
using sim::io::Hdf5Kind;

constexpr const char* kColumns[] = {"/token/request_id", "/token/position", "/token/phase",
                                    "/token/domain"};
// The values of a token in all layers; more than any model has.
constexpr std::uint64_t kMostPerToken = std::uint64_t{1} << 24;

std::string shape_text(std::span<const std::uint64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace

void RoutingTrace::fail(const std::string& dataset, const std::string& what) const {
  throw sim::InputError(fmt::format("{}: {}: {}", info_.file, dataset, what));
}

RoutingTrace RoutingTrace::open(const std::filesystem::path& file) {
  const Hdf5File opened = Hdf5File::open(file);
  RoutingTrace trace;
  trace.info_.file = file.string();
  trace.read_header(opened);
  trace.read_map(opened);
  if (trace.info_.per_token && mark_is_an_expert(trace.data_, trace.stored_experts_)) {
    trace.info_.ambiguous_expert = static_cast<std::uint32_t>(trace.data_.largest());
  }
  trace.read_columns(opened);
  trace.read_layer_axis(opened);
  return trace;
}

void RoutingTrace::read_header(const Hdf5File& file) {
  const auto format = file.text("format");
  if (!format) fail("attribute format", "is missing; expected \"moe-routing-trace\"");
  if (*format != kTraceFormat) {
    fail("attribute format", fmt::format("expected \"{}\", not \"{}\"", kTraceFormat, *format));
  }
  const auto required = [&](const char* name, std::int64_t least, std::int64_t most) {
    const auto value = file.integer(name);
    if (!value) fail(fmt::format("attribute {}", name), "is missing");
    if (*value < least || *value > most) {
      fail(fmt::format("attribute {}", name),
           fmt::format("expected {} to {}, not {}", least, most, *value));
    }
    return *value;
  };
  required("version", kTraceVersion, kTraceVersion);
  info_.experts = static_cast<std::uint32_t>(required("num_experts", 1, kMostExperts));
  info_.top_k = static_cast<std::uint32_t>(required("top_k", 1, info_.experts));
  stored_experts_ = info_.experts;
  info_.model = file.text("model").value_or("");
  info_.source = file.text("source").value_or("");
  info_.created = file.text("created").value_or("");
  const auto space = file.text("expert_space").value_or("logical");
  if (space != "logical" && space != "physical") {
    fail("attribute expert_space", fmt::format("expected logical or physical, not \"{}\"", space));
  }
  info_.physical = space == "physical";

  const bool ids = file.has("/expert_ids"), counts = file.has("/counts");
  if (ids == counts) {
    fail("/expert_ids, /counts", ids ? "both are there; a trace has one form" : "neither is there");
  }
  info_.per_token = ids;
  const char* name = ids ? "/expert_ids" : "/counts";
  data_ = file.dataset(name);
  if (data_.kind() != Hdf5Kind::Integer) fail(name, "expected whole numbers");
  const auto& shape = data_.shape();
  const char* axes = ids ? "[tokens, layers, top_k]" : "[steps, layers, experts]";
  if (shape.size() != 3) {
    fail(name, fmt::format("expected the shape {}, not {}", axes, shape_text(shape)));
  }
  const std::uint32_t last = ids ? info_.top_k : info_.experts;
  if (shape[2] != last) {
    fail(name, fmt::format("expected {} on the last axis of {}, not {}", last, axes, shape[2]));
  }
  if (shape[0] == 0 || shape[1] == 0) fail(name, "is empty");
  if (shape[1] > kMostPerToken / shape[2]) {
    fail(name, fmt::format("{} layers are more than a model has", shape[1]));
  }
  stored_layers_ = static_cast<std::uint32_t>(shape[1]);
  (ids ? info_.tokens : info_.steps) = shape[0];
}

void RoutingTrace::read_map(const Hdf5File& file) {
  const char* name = "/placement/physical_to_logical";
  const auto map = file.find(name);
  if (!map || !info_.physical) return;
  const auto& shape = map->shape();
  if (map->kind() != Hdf5Kind::Integer || shape.size() != 2 || shape[0] != stored_layers_ ||
      shape[1] == 0 || shape[1] > kMostExperts) {
    fail(name, fmt::format("expected whole numbers [{} layers, physical experts], not the shape {}",
                           stored_layers_, shape_text(shape)));
  }
  std::vector<std::int32_t> values(shape[0] * shape[1]);
  map->read(0, shape[0], std::span(values));
  std::int32_t most = 0;
  for (const std::int32_t value : values) {
    // Every logical expert has a physical one, so their numbers lie below that of the slots.
    if (value < 0 || value >= static_cast<std::int32_t>(shape[1])) {
      fail(name, fmt::format("expected logical experts, not {}", value));
    }
    most = std::max(most, value);
  }
  // num_experts counts the physical ones where it equals their number, else the logical ones.
  const auto physical = static_cast<std::uint32_t>(shape[1]);
  const auto logical = static_cast<std::uint32_t>(most) + 1;
  const std::uint32_t experts = info_.experts == physical ? logical : info_.experts;
  if (logical > experts || info_.top_k > experts) {
    fail(name, fmt::format("names expert {}, but there are {}", most, experts));
  }
  if (!info_.per_token && physical != stored_experts_) {
    fail(name, fmt::format("has {} physical experts, /counts {}", physical, stored_experts_));
  }
  stored_experts_ = physical;
  info_.experts = experts;
  info_.physical = false;
  logical_.assign(values.begin(), values.end());
}

void RoutingTrace::read_columns(const Hdf5File& file) {
  const std::uint64_t rows = info_.per_token ? info_.tokens : info_.steps;
  const auto list = [&](const char* name, std::uint64_t expected) -> std::optional<Hdf5Dataset> {
    auto found = file.find(name);
    if (!found) return found;
    if (found->kind() != Hdf5Kind::Integer || found->shape().size() != 1 ||
        found->rows() != expected) {
      fail(name, fmt::format("expected {} whole numbers, not the shape {}", expected,
                             shape_text(found->shape())));
    }
    return found;
  };
  const auto table = [&](const char* name, std::vector<std::uint64_t> expected) {
    auto found = file.find(name);
    if (found && (found->kind() != Hdf5Kind::Float || found->shape() != expected)) {
      fail(name, fmt::format("expected real numbers {}, not the shape {}", shape_text(expected),
                             shape_text(found->shape())));
    }
    return found;
  };
  if (const auto names = file.find("/domains")) info_.domains = names->read_strings();
  if (!info_.per_token) {
    step_domain_ = list("/step/domain", rows);
    step_domains();  // checks them
    list("/step/dp_rank", rows);
    list("/step/time_ns", rows);
    check_phases("/step/phase", list("/step/phase", rows));
    return;
  }
  for (std::size_t c = 0; c < 4; ++c) columns_[c] = list(kColumns[c], rows);
  info_.has_requests = columns_[0].has_value();
  info_.has_positions = columns_[1].has_value();
  info_.has_phases = columns_[2].has_value();
  info_.has_domains = columns_[3].has_value();
  weights_ = table("/expert_weights", data_.shape());
  scores_ = table("/gate_scores", {rows, stored_layers_, stored_experts_});
  bias_ = table("/gate_bias", {stored_layers_, stored_experts_});
  info_.has_weights = weights_.has_value();
  info_.has_gate_scores = scores_.has_value();
  info_.has_gate_bias = bias_.has_value();
  if (auto offsets = file.find("/step/token_offset")) {
    if (offsets->kind() != Hdf5Kind::Integer || offsets->shape().size() != 1 ||
        offsets->rows() < 2) {
      fail("/step/token_offset", "expected a list of steps + 1 whole numbers");
    }
    offsets_ = std::move(offsets);
    info_.steps = offsets_->rows() - 1;
    step_offsets();  // checks them
    step_rank_ = list("/step/dp_rank", info_.steps);
    check_phases("/step/phase", list("/step/phase", info_.steps));
    list("/step/time_ns", info_.steps);
  }
}

// Prefill, decode, mixed: nothing else is one. A step's phases are few; a token's are checked where
// they are read.
void RoutingTrace::check_phases(const char* name, const std::optional<Hdf5Dataset>& phases) const {
  if (!phases) return;
  std::vector<std::int64_t> values(phases->rows());
  phases->read(0, phases->rows(), std::span(values));
  for (std::size_t s = 0; s < values.size(); ++s) {
    if (values[s] < 0 || values[s] > kMostPhase) {
      fail(name, fmt::format("step {}: expected 0 (prefill), 1 (decode) or 2 (mixed), not {}", s,
                             values[s]));
    }
  }
}

void RoutingTrace::read_layer_axis(const Hdf5File& file) {
  const auto axis = file.text("layer_axis").value_or("moe");
  if (axis != "moe" && axis != "all") {
    fail("attribute layer_axis", fmt::format("expected moe or all, not \"{}\"", axis));
  }
  const auto ids = file.integers("moe_layer_ids");
  if (ids) {
    std::set<std::int64_t> seen;
    for (const std::int64_t id : *ids) {
      if (id < 0) fail("attribute moe_layer_ids", fmt::format("{} is no layer", id));
      if (!seen.insert(id).second) {
        fail("attribute moe_layer_ids", fmt::format("names layer {} twice", id));
      }
    }
  }
  if (axis == "moe") {
    if (ids && ids->size() != stored_layers_) {
      fail("attribute moe_layer_ids",
           fmt::format("names {} layers, but there are {}", ids->size(), stored_layers_));
    }
    for (std::uint32_t l = 0; l < stored_layers_; ++l) {
      layer_of_.push_back(l);
      info_.layer_ids.push_back(ids ? (*ids)[l] : l);
    }
  } else if (ids) {
    for (const std::int64_t id : *ids) {
      if (id < 0 || id >= stored_layers_) {
        fail("attribute moe_layer_ids",
             fmt::format("names layer {}, but there are {}", id, stored_layers_));
      }
      layer_of_.push_back(static_cast<std::uint32_t>(id));
    }
    info_.layer_ids = *ids;
  } else {
    std::vector<bool> used(stored_layers_);
    std::vector<std::int32_t> raw;
    const std::uint64_t rows = data_.rows(), step = std::max<std::uint64_t>(data_.chunk_rows(), 1);
    for (std::uint64_t first = 0; first < rows; first += step) {
      const std::uint64_t count = std::min(step, rows - first);
      if (info_.per_token) {
        read_raw_ids(first, count, raw);
      } else {
        raw.resize(count * data_.row_size());
        data_.read(first, count, std::span(raw));
      }
      const std::int32_t nothing = info_.per_token ? -1 : 0;
      for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] != nothing) used[i / data_.shape()[2] % stored_layers_] = true;
      }
    }
    for (std::uint32_t l = 0; l < stored_layers_; ++l) {
      if (!used[l]) continue;
      layer_of_.push_back(l);
      info_.layer_ids.push_back(l);
    }
  }
  if (layer_of_.empty()) fail(info_.per_token ? "/expert_ids" : "/counts", "has no selection");
  info_.layers = static_cast<std::uint32_t>(layer_of_.size());
}

}  // namespace moesim::workloads
