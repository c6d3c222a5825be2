// `graphs:` of an engine's file: numbers of tokens, and ranges of them, "8..256+8".
#include <fmt/format.h>

#include <charconv>

#include "workloads/deployment/engine_parts.h"

namespace moesim::workloads {
namespace {

using sim::io::YamlNode;

constexpr std::int64_t kMostTokens = std::int64_t{1} << 16;  // of a graph

// A range has at least one size: from, from + step, ... and `to`.
struct Range {
  std::int64_t from = 0, to = 0, step = 1;
};

// A whole number at the start of `text`, which moves on behind it.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return {};
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool take(std::string_view& text, std::string_view what) {
  if (!text.starts_with(what)) return false;
  text.remove_prefix(what.size());
  return true;
}

// "8", "8..256+8"; nothing for what is neither.
std::optional<Range> parse(std::string_view text) {
  Range range;
  const auto from = take_number(text);
  if (!from) return {};
  range.from = range.to = *from;
  if (!text.empty()) {
    if (!take(text, "..")) return {};
    const auto to = take_number(text);
    if (!to || !take(text, "+")) return {};
    const auto step = take_number(text);
    if (!step || !text.empty()) return {};
    range.to = *to;
    range.step = *step;
  }
  const bool possible = range.from >= 1 && range.to >= range.from && range.to <= kMostTokens &&
                        range.step >= 1 && (range.to - range.from) % range.step == 0;
  return possible ? std::optional(range) : std::nullopt;
}

}  // namespace

std::vector<std::int64_t> CapturedGraphs::captured() const {
  std::vector<std::int64_t> all = sizes;
  if (up_to) std::erase_if(all, [this](std::int64_t size) { return size > *up_to; });
  return all;
}

CapturedGraphs read_captured_graphs(const YamlNode& node, CapturedGraphs graphs) {
  node.allow_only({"sizes", "pad", "mixed", "alike", "up_to"});
  if (const auto up_to = node.find("up_to")) graphs.up_to = up_to->integer(1, kMostTokens);
  if (const auto pad = node.find("pad")) graphs.pad = pad->boolean();
  if (const auto mixed = node.find("mixed")) graphs.mixed = mixed->boolean();
  if (const auto alike = node.find("alike")) graphs.alike = alike->boolean();
  const auto sizes = node.find("sizes");
  if (!sizes) return graphs;
  graphs.sizes.clear();
  for (const YamlNode& item : sizes->items()) {
    const std::string text = item.text();
    const std::optional<Range> range = parse(text);
    if (!range) {
      item.error(
          fmt::format("expected tokens from 1 to {}, such as 8, or a range whose steps "
                      "reach its end, such as \"8..256+8\", not \"{}\"",
                      kMostTokens, text));
      continue;
    }
    if (!graphs.sizes.empty() && range->from <= graphs.sizes.back()) {
      item.error(fmt::format("expected more than the {} before it, not \"{}\"", graphs.sizes.back(),
                             text));
      continue;
    }
    for (std::int64_t size = range->from; size <= range->to; size += range->step) {
      graphs.sizes.push_back(size);
    }
  }
  return graphs;
}

}  // namespace moesim::workloads
