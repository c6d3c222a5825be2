#include "tools/moesim/network/topology_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "sim/error.h"
#include "sim/printable.h"

namespace moesim::tools {

namespace {

constexpr std::int64_t kMostDevices = 1024;
constexpr std::int64_t kMostLinks = 256;  // NVLinks between two; GPUs have 18

[[noreturn]] void fail(const std::string& name, std::size_t line, const std::string& what) {
  throw sim::InputError(fmt::format("{}:{}: {}", name, line, what));
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data() || !(value >= 0) || value > 1e12) return {};
  return value;
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
    if (words.size() <= columns.size()) {
      fail(name, line, fmt::format("{} columns for {} devices", words.size() - 1, columns.size()));
    }
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
      const std::int64_t count =
          how.starts_with("NV") ? whole(std::string_view(how).substr(2)).value_or(-1) : 0;
      if (count < 0 || count > kMostLinks)
        fail(name, line, fmt::format("\"{}\" is no link", sim::printable(how, 20)));
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
  node.nvlinks = links.value_or(0);
  for (const std::string& nic : node.nics) node.nearest.push_back(nearest[nic]);
  return node;
}

namespace {

// One tag: "<gpu dev="0" sm="90">", "</gpu>", "<net …/>".
struct Tag {
  std::string name;
  std::map<std::string, std::string> attributes;
  bool closes = false, alone = false;
};

class XmlTags {
 public:
  XmlTags(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  std::optional<Tag> next() {
    for (;;) {
      const std::size_t open = text_.find('<', at_);
      if (open == std::string_view::npos) return {};
      if (text_.substr(open, 4) == "<!--") {
        skip(open, "-->");
      } else if (text_.substr(open, 2) == "<?" || text_.substr(open, 2) == "<!") {
        skip(open, ">");
      } else {
        at_ = open + 1;
        return tag();
      }
    }
  }

  [[noreturn]] void wrong(const std::string& what) const {
    const std::string_view before = text_.substr(0, std::min(at_, text_.size()));
    fail(name_, 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')), what);
  }

 private:
  void skip(std::size_t from, std::string_view end) {
    const std::size_t found = text_.find(end, from);
    if (found == std::string_view::npos) wrong("a tag that is never closed");
    at_ = found + end.size();
  }

  bool space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
    return at_ < text_.size();
  }

  std::string word() {
    const std::size_t first = at_;
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n=/>\"'").find(text_[at_]) == std::string_view::npos) {
      ++at_;
    }
    return std::string(text_.substr(first, at_ - first));
  }

  Tag tag() {
    Tag tag;
    if (at_ < text_.size() && text_[at_] == '/') {
      tag.closes = true;
      ++at_;
    }
    tag.name = word();
    while (space()) {
      if (text_[at_] == '>') {
        ++at_;
        return tag;
      }
      if (text_[at_] == '/') {
        tag.alone = true;
        ++at_;
        continue;
      }
      const std::string key = word();
      if (key.empty() || !space() || text_[at_] != '=') wrong("expected key=\"value\" in a tag");
      ++at_;
      if (!space() || (text_[at_] != '"' && text_[at_] != '\'')) {
        wrong("expected key=\"value\" in a tag");
      }
      const char quote = text_[at_++];
      const std::size_t end = text_.find(quote, at_);
      if (end == std::string_view::npos) wrong("a quote that is never closed");
      tag.attributes[key] = std::string(text_.substr(at_, end - at_));
      at_ = end + 1;
    }
    wrong("a tag that is never closed");
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
};

}  // namespace

ImportedNode node_of_nccl_xml(std::string_view text, const std::string& name) {
  ImportedNode node;
  XmlTags tags(text, name);
  bool system = false, in_gpu = false;
  std::int64_t links = 0;
  std::optional<std::int64_t> links_of_all;
  double pcie = 0;
  std::vector<double> rates;  // of the NICs, in Gbit/s
  const auto end_gpu = [&] {
    in_gpu = false;
    if (links_of_all && *links_of_all != links) {
      tags.wrong(fmt::format("a GPU with {} NVLinks, those before have {}", links, *links_of_all));
    }
    links_of_all = links;
  };
  while (const auto tag = tags.next()) {
    const auto of = [&](const char* key) -> std::string {
      const auto found = tag->attributes.find(key);
      return found == tag->attributes.end() ? "" : found->second;
    };
    if (tag->name == "system") system = true;
    if (tag->closes) {
      if (tag->name == "gpu" && in_gpu) end_gpu();
      continue;
    }
    if (tag->name == "pci" && of("class").starts_with("0x03")) {
      // "32.0 GT/s PCIe" x 16 lanes, 128 of 130 bits are payload.
      const auto speed = number(of("link_speed"));
      const auto width = whole(of("link_width"));
      pcie = speed && width ? *speed * static_cast<double>(*width) / 8 * 128 / 130 : 0;
    } else if (tag->name == "gpu") {
      if (++node.gpus > kMostDevices) tags.wrong("more GPUs than a node has");
      const auto sm = whole(of("sm"));
      node.several_kinds = node.several_kinds || (sm && node.sm > 0 && *sm != node.sm);
      node.sm = sm.value_or(node.sm);
      node.pcie_GBps = std::max(node.pcie_GBps, pcie);
      links = 0;
      in_gpu = true;
      if (tag->alone) end_gpu();
    } else if (tag->name == "nvlink") {
      const auto count = whole(of("count"));
      if (!in_gpu || !count || *count > 1000) tags.wrong("an nvlink without a GPU or a count");
      links += *count;
    } else if (tag->name == "net") {
      const std::string nic = of("name");
      if (std::find(node.nics.begin(), node.nics.end(), nic) != node.nics.end()) continue;
      if (node.nics.size() >= static_cast<std::size_t>(kMostDevices)) {
        tags.wrong("more NICs than a node has");
      }
      const double rate = number(of("speed")).value_or(0) / 1000;  // in Mbit/s; 0: not said
      node.nic_Gbps = std::max(node.nic_Gbps, rate);
      node.nics.push_back(nic);
      rates.push_back(rate);
    }
  }
  // Beside those of the fabric a machine has slower ones, to manage it by.
  for (std::size_t n = node.nics.size(); n-- > 0;) {
    if (rates[n] == 0 || rates[n] == node.nic_Gbps) continue;
    node.slower.insert(node.slower.begin(),
                       fmt::format("{} ({:g} Gbit/s)", node.nics[n], rates[n]));
    node.nics.erase(node.nics.begin() + static_cast<std::ptrdiff_t>(n));
  }
  if (!system || node.gpus == 0) {
    throw sim::InputError(
        fmt::format("{}: no <system> with a <gpu>; is this of NCCL_TOPO_DUMP_FILE?", name));
  }
  node.nvlinks = links_of_all.value_or(0);
  return node;
}

}  // namespace moesim::tools
