#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "sim/error.h"
#include "sim/printable.h"
#include "tools/moesim/network/topology_import.h"

namespace moesim::tools {

namespace {

constexpr std::int64_t kMostDevices = 1024;
constexpr std::int64_t kMostLinks = 256;  // NVLinks between two; GPUs have 18

[[noreturn]] void fail(const std::string& name, std::size_t line, const std::string& what) {
  throw sim::InputError(fmt::format("{}:{}: {}", name, line, what));
}

std::optional<std::int64_t> whole(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return {};
  return value;
}

// Words of a line, without the escapes that underline its header.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words(1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1b') {
      while (i < line.size() && line[i] != 'm') ++i;
    } else if (line[i] == ' ' || line[i] == '\t' || line[i] == '\r') {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += line[i];
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

bool is_gpu(const std::string& word) {
  return word.starts_with("GPU") && whole(std::string_view(word).substr(3)).has_value();
}
bool is_nic(const std::string& word) {
  return (word.starts_with("NIC") && whole(std::string_view(word).substr(3)).has_value()) ||
         word.starts_with("mlx") || word.starts_with("bnxt") || word.starts_with("ionic");
}

// NVLinks of a cell: 0 for what goes over PCIe, nothing for what is no way to a device ("ERR!").
std::optional<std::int64_t> links_of(const std::string& cell) {
  constexpr std::array<std::string_view, 5> kPcie{"PIX", "PXB", "PHB", "NODE", "SYS"};
  if (std::ranges::find(kPcie, cell) != kPcie.end()) return 0;
  const auto count =
      cell.starts_with("NV") ? whole(std::string_view(cell).substr(2)) : std::nullopt;
  return count && *count <= kMostLinks ? count : std::nullopt;
}

// A device's line against the header: an X in its own column and in no other, and in each a way.
void check_cells(const std::string& name, std::size_t line, const std::vector<std::string>& columns,
                 const std::vector<std::string>& words) {
  if (words.size() <= columns.size())
    fail(name, line, fmt::format("{} columns for {} devices", words.size() - 1, columns.size()));
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const std::string& cell = words[c + 1];
    if ((columns[c] == words[0]) != (cell == "X")) {
      fail(name, line,
           fmt::format("\"{}\" of {} at {}: X stands where a device meets itself; is a column "
                       "missing?",
                       sim::printable(cell, 20), words[0], columns[c]));
    }
    if (cell != "X" && !links_of(cell)) {
      fail(name, line,
           fmt::format("\"{}\" of {} at {} is no link: NV18, PIX, PXB, PHB, NODE or SYS would be",
                       sim::printable(cell, 20), words[0], columns[c]));
    }
  }
}

}  // namespace

ImportedNode node_of_nvidia_smi(std::string_view text, const std::string& name) {
  ImportedNode node;
  std::vector<std::string> columns;
  std::optional<std::int64_t> links;  // of every pair
  std::map<std::string, std::string> nearest;
  std::size_t line = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::vector<std::string> words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line;
    if (words.empty()) continue;
    if (columns.empty()) {
      if (!is_gpu(words[0])) continue;
      for (const std::string& word : words) {
        if (!is_gpu(word) && !is_nic(word)) break;  // "CPU Affinity"
        columns.push_back(word);
      }
      continue;
    }
    const bool gpu = is_gpu(words[0]), nic = is_nic(words[0]);
    if ((!gpu && !nic) || (words.size() > 1 && words[1].back() == ':') || words[0].back() == ':') {
      continue;  // the legend
    }
    check_cells(name, line, columns, words);
    if (nic) {
      node.nics.push_back(words[0]);
      for (std::size_t c = 0; c < columns.size(); ++c) {
        const std::string& how = words[c + 1];
        if (!is_gpu(columns[c]) || (how != "PIX" && how != "PXB")) continue;
        std::string& list = nearest[words[0]];
        list += (list.empty() ? "" : ", ") + columns[c];
      }
      continue;
    }
    if (++node.gpus > kMostDevices) fail(name, line, "more GPUs than a node has");
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const std::string& how = words[c + 1];
      if (!is_gpu(columns[c]) || how == "X") continue;
      const std::int64_t count = links_of(how).value_or(0);
      if (links && *links != count) {
        fail(name, line,
             fmt::format(
                 "{} and {} have {} NVLinks, pairs before {}: links that differ from pair to "
                 "pair are described by topology: {{switches, links}}",
                 words[0], columns[c], count, *links));
      }
      links = count;
    }
  }
  if (node.gpus == 0) {
    throw sim::InputError(
        fmt::format("{}: no table of GPUs; is this of nvidia-smi topo -m?", name));
  }
  const auto named = std::count_if(columns.begin(), columns.end(), is_gpu);
  if (named != node.gpus) {
    throw sim::InputError(fmt::format("{}: {} GPUs in the header, {} lines of one: was it cut?",
                                      name, named, node.gpus));
  }
  node.pair_nvlinks = links.value_or(0);
  // Beside those of the fabric a machine has some for storage, and to manage it by.
  for (std::string& nic : std::exchange(node.nics, {})) {
    if (!nearest.empty() && !nearest.contains(nic)) {
      node.far.push_back(std::move(nic));
      continue;
    }
    node.nearest.push_back(nearest.empty() ? "" : nearest.at(nic));
    node.nics.push_back(std::move(nic));
  }
  return node;
}

}  // namespace moesim::tools
