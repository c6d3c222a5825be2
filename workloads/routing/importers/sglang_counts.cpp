// The recorder's counts: steps of a window (stat), or passes, added up over the ranks' files.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "sim/error.h"
#include "workloads/routing/importers/said_shape.h"
#include "workloads/routing/importers/sglang_recording.h"
#include "workloads/routing/trace/trace_writer.h"

namespace moesim::workloads {
namespace {

using Numbers = std::vector<std::int64_t>;

// Both kinds of steps give one after another in next(), [layers x experts]; they are gone through
// twice, first to see which layers route.
struct CountShape {
  std::int64_t layers = 0, experts = 0;
};

void add_checked(Numbers& to, std::size_t at, std::int64_t count, const SglangRecording& of) {
  if (count < 0 || count > 0xFFFFFFFF || to[at] + count > 0xFFFFFFFF) {
    of.fail(fmt::format("a count of {}: expected 0 to {}", count, 0xFFFFFFFF));
  }
  to[at] += count;
}

// The steps of files in turn.
class StatSteps {
 public:
  StatSteps(SglangRecordings& recordings, CountShape& shape) : recordings_(recordings) {
    for (auto& r : recordings) {
      TorchTensor all = r->tensor(r->pickle.root(), "logical_count", "", axes(*r));
      const std::size_t first = all_steps(*r) ? 1 : 0;
      const CountShape its{all.size(first), all.size(first + 1)};
      if (shape.layers == 0) shape = its;
      if (its.layers != shape.layers || its.experts != shape.experts) {
        r->fail(fmt::format("logical_count: {} layers of {} experts, those before {} of {}",
                            its.layers, its.experts, shape.layers, shape.experts));
      }
      tensors_.push_back(std::move(all));
    }
  }

  bool next(Numbers& counts) {
    while (file_ < tensors_.size()) {
      SglangRecording& r = *recordings_[file_];
      const bool steps = all_steps(r);
      const std::int64_t of_file = steps ? tensors_[file_].size(0) : 1;
      if (step_ >= of_file) {
        ++file_;
        step_ = 0;
        continue;
      }
      std::fill(counts.begin(), counts.end(), 0);
      std::size_t at = 0;
      const std::int64_t parts = steps ? 1 : tensors_[file_].size(0);
      for (std::int64_t part = 0; part < parts; ++part) {
        for (const std::int64_t count : tensors_[file_].at(steps ? step_ : part)) {
          add_checked(counts, at++, count, r);
        }
      }
      ++step_;
      return true;
    }
    return false;
  }

 private:
  static std::size_t axes(const SglangRecording& r) {
    const PickleValue* value = r.pickle.find(r.pickle.root(), "logical_count");
    return value != nullptr && value->sizes.size() == 2 ? 2 : 3;
  }
  static bool all_steps(const SglangRecording& r) { return axes(r) == 3; }

  SglangRecordings& recordings_;
  std::vector<TorchTensor> tensors_;
  std::size_t file_ = 0;
  std::int64_t step_ = 0;
};

// The passes of all files, those of one number together.
class PassSteps {
 public:
  PassSteps(SglangRecordings& recordings, CountShape& shape) : recordings_(recordings) {
    for (std::size_t file = 0; file < recordings.size(); ++file) {
      SglangRecording& r = *recordings[file];
      maps_.emplace_back(r);
      const auto& records = r.records();
      for (std::size_t i = 0; i < records.size(); ++i) {
        passes_[r.integer(r.pickle[records[i]], "forward_pass_id", static_cast<std::int64_t>(i))]
            .emplace_back(file, i);
        TorchTensor counts = tensor(file, i);
        const std::int64_t experts = maps_.back().empty() ? counts.size(1) : maps_.back().experts();
        if (shape.layers == 0) shape = {counts.size(0), experts};
        if (counts.size(0) != shape.layers || experts != shape.experts) {
          r.fail(fmt::format("record {}: {} layers of {} experts, those before {} of {}", i + 1,
                             counts.size(0), experts, shape.layers, shape.experts));
        }
      }
    }
    experts_ = shape.experts;
    next_ = passes_.begin();
  }

  bool next(Numbers& counts) {
    if (next_ == passes_.end()) return false;
    std::fill(counts.begin(), counts.end(), 0);
    for (const auto& [file, record] : next_->second) {
      TorchTensor of_slots = tensor(file, record);
      for (std::int64_t l = 0; l < of_slots.size(0); ++l) {
        const Numbers row = of_slots.at(l);
        for (std::size_t slot = 0; slot < row.size(); ++slot) {
          const std::int64_t expert = maps_[file].expert(
              static_cast<std::size_t>(l), static_cast<std::int64_t>(slot), *recordings_[file]);
          add_checked(counts, static_cast<std::size_t>(l * experts_ + expert), row[slot],
                      *recordings_[file]);
        }
      }
    }
    ++next_;
    return true;
  }

 private:
  TorchTensor tensor(std::size_t file, std::size_t record) {
    SglangRecording& r = *recordings_[file];
    return r.tensor(r.pickle[r.records()[record]], "global_physical_count",
                    fmt::format("record {}: ", record + 1), 2);
  }

  SglangRecordings& recordings_;
  std::vector<SlotMap> maps_;
  std::int64_t experts_ = 0;
  std::map<std::int64_t, std::vector<std::pair<std::size_t, std::size_t>>> passes_;
  decltype(passes_)::iterator next_;
};

template <class Steps>
ImportSummary import_steps(SglangRecordings& recordings, const std::filesystem::path& out,
                           const ImportOptions& options) {
  const auto fail = [&](const std::string& what) {
    throw sim::InputError(fmt::format("{}: {}", recordings.front()->archive.name(), what));
  };
  if (options.top_k == 0) {
    throw sim::ConfigError("counts do not say how many experts a token chooses: give --top-k");
  }
  CountShape shape;
  std::vector<bool> used;
  Numbers counts;
  std::uint64_t steps = 0;
  {
    Steps all(recordings, shape);
    constexpr std::int64_t kMostCounts = std::int64_t{1} << 24;
    if (shape.layers < 1 || shape.experts < 1 || shape.experts > kMostExperts ||
        shape.layers > std::min(kMostSglangLayers, kMostCounts / shape.experts)) {
      fail(fmt::format("{} layers of {} experts: not a recording", shape.layers, shape.experts));
    }
    const std::string& name = recordings.front()->archive.name();
    check_said_experts(name, static_cast<std::uint64_t>(shape.experts), options);
    check_said_layers(name, static_cast<std::uint64_t>(shape.layers), options);
    if (options.top_k > shape.experts) {
      throw sim::ConfigError(
          fmt::format("--top-k: {} of {} experts", options.top_k, shape.experts));
    }
    used.resize(static_cast<std::size_t>(shape.layers));
    counts.resize(static_cast<std::size_t>(shape.layers * shape.experts));
    while (all.next(counts)) {
      for (std::size_t i = 0; i < counts.size(); ++i) {
        if (counts[i] > 0) used[i / static_cast<std::size_t>(shape.experts)] = true;
      }
    }
  }
  TraceHeader header{.layers = 0,
                     .experts = static_cast<std::uint32_t>(shape.experts),
                     .top_k = options.top_k,
                     .model = options.model,
                     .source = "sglang"};
  if (options.keep.empty()) {
    for (std::size_t l = 0; l < used.size(); ++l) {
      if (used[l]) header.layer_ids.push_back(static_cast<std::int64_t>(l));
    }
  } else {
    for (const std::uint32_t l : options.keep) {
      if (l >= used.size()) {
        throw sim::ConfigError(fmt::format(
            "--keep-layers: layer {} of {} layers (they count from 0)", l, used.size()));
      }
      header.layer_ids.push_back(l);
    }
  }
  if (header.layer_ids.empty()) fail("holds no counts but zeros");
  header.layers = static_cast<std::uint32_t>(header.layer_ids.size());
  CountWriter writer(out, header);
  ImportSummary summary;
  Steps all(recordings, shape);
  while (all.next(counts)) {
    std::vector<std::uint32_t> kept;
    for (const std::int64_t l : header.layer_ids) {
      for (std::int64_t e = 0; e < shape.experts; ++e) {
        kept.push_back(
            static_cast<std::uint32_t>(counts[static_cast<std::size_t>(l * shape.experts + e)]));
      }
    }
    // The recorder's window is longer than what it saw: steps without a selection are none.
    if (std::all_of(kept.begin(), kept.end(), [](std::uint32_t n) { return n == 0; })) {
      ++summary.skipped;
      continue;
    }
    writer.append(kept);
    add_tokens(kept, header, fmt::format("{}: step {}", recordings.front()->archive.name(), steps),
               summary);
    ++steps;
  }
  writer.close();
  summary.records = steps;
  return summary;
}

}  // namespace

ImportSummary import_sglang_stat(SglangRecordings& recordings, const std::filesystem::path& out,
                                 const ImportOptions& options) {
  return import_steps<StatSteps>(recordings, out, options);
}

ImportSummary import_sglang_passes(SglangRecordings& recordings, const std::filesystem::path& out,
                                   const ImportOptions& options) {
  return import_steps<PassSteps>(recordings, out, options);
}

}  // namespace moesim::workloads
