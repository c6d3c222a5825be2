// The recorder's tokens: topk_ids_of_layer of each pass, slots turned into experts.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

#include "workloads/routing/importers/sglang_recording.h"
#include "workloads/routing/importers/token_sink.h"

namespace moesim::workloads {
namespace {

using Numbers = std::vector<std::int64_t>;

// Shape of the tokens of all files, found before anything is written.
struct TokenShape {
  std::int64_t layers = 0, wide = 0;
  std::int64_t top_k = 0;  // columns that any token uses
  std::int64_t most_slot = -1;
  std::vector<bool> used;
};

// What all columns from `first` on hold in every row; nothing where that is not one value.
std::optional<std::int64_t> padding_of(SglangRecordings& recordings, std::int64_t first) {
  std::optional<std::int64_t> padding;
  for (auto& r : recordings) {
    const auto& records = r->records();
    for (std::size_t i = 0; i < records.size(); ++i) {
      TorchTensor ids = r->tensor(r->pickle[records[i]], "topk_ids_of_layer",
                                  fmt::format("record {}: ", i + 1), 3);
      if (ids.size(2) <= first) return {};
      for (std::int64_t l = 0; l < ids.size(0); ++l) {
        const Numbers row = ids.at(l);
        for (std::size_t at = 0; at < row.size(); ++at) {
          if (static_cast<std::int64_t>(at) % ids.size(2) < first) continue;
          if (!padding) padding = row[at];
          if (row[at] != *padding) return {};
        }
      }
    }
  }
  return padding;
}

// `columns`: those that may be choices.
void scan_tokens(SglangRecording& r, std::int64_t columns, TokenShape& shape) {
  const auto& records = r.records();
  for (std::size_t i = 0; i < records.size(); ++i) {
    TorchTensor ids =
        r.tensor(r.pickle[records[i]], "topk_ids_of_layer", fmt::format("record {}: ", i + 1), 3);
    if (shape.layers == 0) {
      shape.layers = ids.size(0);
      shape.wide = ids.size(2);
      if (shape.layers < 1 || shape.layers > kMostSglangLayers || shape.wide < 1 ||
          shape.wide > 1 << 16) {
        r.fail(fmt::format("{} layers of {} choices: not a recording", shape.layers, shape.wide));
      }
      shape.used.resize(static_cast<std::size_t>(shape.layers));
    }
    if (ids.size(0) != shape.layers || ids.size(2) != shape.wide) {
      r.fail(fmt::format("record {}: {} layers of {} choices, those before {} of {}", i + 1,
                         ids.size(0), ids.size(2), shape.layers, shape.wide));
    }
    for (std::int64_t l = 0; l < shape.layers; ++l) {
      const Numbers row = ids.at(l);
      for (std::size_t at = 0; at < row.size(); ++at) {
        const std::int64_t column = static_cast<std::int64_t>(at) % shape.wide;
        if (row[at] < 0 || column >= columns) continue;
        shape.used[static_cast<std::size_t>(l)] = true;
        shape.top_k = std::max(shape.top_k, column + 1);
        shape.most_slot = std::max(shape.most_slot, row[at]);
      }
    }
  }
}

void write_tokens(SglangRecording& r, const TokenShape& shape, const SlotMap& map,
                  TokenSink& sink) {
  const auto& records = r.records();
  const auto top_k = static_cast<std::size_t>(shape.top_k),
             wide = static_cast<std::size_t>(shape.wide);
  const auto layers = static_cast<std::size_t>(shape.layers);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const PickleValue& record = r.pickle[records[i]];
    const std::string where = fmt::format("{}: record {}", r.archive.name(), i + 1);
    TorchTensor ids = r.tensor(record, "topk_ids_of_layer", fmt::format("record {}: ", i + 1), 3);
    const auto tokens = static_cast<std::size_t>(ids.size(1));
    if (tokens > (std::size_t{1} << 27) / (layers * top_k))
      r.fail(where + ": too many tokens in a pass");
    std::vector<std::int32_t> all(tokens * layers * top_k);
    for (std::size_t l = 0; l < layers; ++l) {
      const Numbers row = ids.at(static_cast<std::int64_t>(l));
      for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t k = 0; k < top_k; ++k) {
          const std::int64_t slot = row[t * wide + k];
          all[(t * layers + l) * top_k + k] = static_cast<std::int32_t>(std::clamp<std::int64_t>(
              slot < 0 ? slot : map.expert(l, slot, r), INT32_MIN, INT32_MAX));
        }
      }
    }
    const Numbers positions = r.numbers(record, "positions", fmt::format("record {}: ", i + 1));
    if (r.pickle.find(record, "positions") != nullptr && positions.size() != tokens)
      r.fail(fmt::format("record {}: {} positions of {} tokens", i + 1, positions.size(), tokens));
    constexpr std::int64_t kDecode = 2;
    const std::int64_t mode = r.integer(record, "forward_mode", 0);
    std::optional<std::uint32_t> phase;
    if (mode != 0) phase = mode == kDecode ? 1 : 0;
    // Who is whose is not recorded: in a decode each token is of a request of its own, in a prefill
    // a request goes on while its positions do.
    for (std::size_t t = 0; t < tokens; ++t) {
      const bool goes_on =
          t > 0 && mode != kDecode && (positions.empty() || positions[t] == positions[t - 1] + 1);
      if (!goes_on) {
        const std::int64_t first = positions.empty() ? 0 : positions[t];
        sink.begin_request(
            static_cast<std::uint32_t>(std::clamp<std::int64_t>(first, 0, INT32_MAX)));
      }
      sink.add(std::span(all).subspan(t * layers * top_k, layers * top_k),
               static_cast<std::uint32_t>(layers), static_cast<std::uint32_t>(top_k), phase,
               {where, t});
    }
    if (tokens == 0) continue;
    sink.end_step(static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(r.integer(record, "rank", 0), 0, 0xFFFF)));
  }
}

}  // namespace

ImportSummary import_sglang_tokens(SglangRecordings& recordings, const std::filesystem::path& out,
                                   ImportOptions options) {
  ImportSummary summary;
  // Columns beyond the choices are -1, or were filled with something else.
  const std::int64_t asked = options.top_k;
  const auto padding = asked > 0 ? padding_of(recordings, asked) : std::nullopt;
  if (padding.value_or(-1) >= 0) summary.padding = padding;
  TokenShape shape;
  std::vector<SlotMap> maps;
  std::int64_t experts = 0;
  for (auto& r : recordings) {
    scan_tokens(*r, padding ? asked : INT64_MAX, shape);
    maps.emplace_back(*r);
    experts = std::max(experts, maps.back().experts());
  }
  if (shape.top_k == 0) recordings.front()->fail("no token chooses an expert");
  if (options.experts == 0) {
    if (experts == 0) experts = shape.most_slot + 1;
    options.experts = static_cast<std::uint32_t>(std::min<std::int64_t>(experts, kMostExperts + 1));
  }
  if (options.keep.empty()) {
    for (std::size_t l = 0; l < shape.used.size(); ++l) {
      if (shape.used[l]) options.keep.push_back(static_cast<std::uint32_t>(l));
    }
  }
  TokenSink sink(out, options, "sglang");
  Files files;
  for (std::size_t i = 0; i < recordings.size(); ++i) {
    files.emplace_back(recordings[i]->archive.name());
    write_tokens(*recordings[i], shape, maps[i], sink);
    summary.records += recordings[i]->records().size();
  }
  sink.close(summary, files);
  return summary;
}

}  // namespace moesim::workloads
