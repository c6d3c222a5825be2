#include <fmt/format.h>

#include <algorithm>
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
constexpr std::size_t kMostDepth = 1000;  // of tags in tags; a topology has a dozen

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

// Which of a machine's PCIe trees each NIC is in, and which of them have a GPU.
struct Trees {
  std::size_t now = 0;            // those before are closed
  std::vector<std::size_t> nics;  // of each NIC
  std::vector<bool> gpus{false};  // of each tree

  void end() {
    ++now;
    gpus.push_back(false);
  }
  bool near(std::size_t nic) const { return gpus[nics[nic]]; }
};

// Beside those of the fabric a machine has NICs for storage, and slower ones to manage it by.
void leave_out(ImportedNode& node, const std::vector<double>& rates, const Trees& trees) {
  bool any_near = false;
  for (std::size_t n = 0; n < rates.size(); ++n) any_near = any_near || trees.near(n);
  const std::vector<std::string> all = std::exchange(node.nics, {});
  for (std::size_t n = 0; n < all.size(); ++n) {
    if (rates[n] != 0 && rates[n] != node.nic_Gbps) {
      node.slower.push_back(fmt::format("{} ({:g} Gbit/s)", all[n], rates[n]));
    } else if (any_near && !trees.near(n)) {
      node.far.push_back(all[n]);
    } else {
      node.nics.push_back(all[n]);
    }
  }
}

}  // namespace

ImportedNode node_of_nccl_xml(std::string_view text, const std::string& name) {
  ImportedNode node;
  XmlTags tags(text, name);
  std::vector<std::string> open;
  bool system = false, in_gpu = false;
  std::int64_t links = 0;
  std::optional<std::int64_t> links_of_all;
  double pcie = 0;
  std::vector<double> rates;  // of the NICs, in Gbit/s
  Trees trees;
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
    if (tag->closes) {
      if (open.empty() || open.back() != tag->name) {
        tags.wrong(fmt::format(
            "</{}> closes {}", sim::printable(tag->name, 40),
            open.empty() ? "nothing"
                         : "<" + sim::printable(open.back(), 40) + ">, which is still open"));
      }
      open.pop_back();
      if (tag->name == "gpu") end_gpu();
      if (tag->name == "pci" && std::ranges::find(open, "pci") == open.end()) trees.end();
      continue;
    }
    if (!tag->alone) {
      if (open.size() == kMostDepth) tags.wrong("tags in tags, deeper than any machine's");
      open.push_back(tag->name);
    }
    if (tag->name == "system") {
      if (system) tags.wrong("a second <system>: a file here is of one node");
      system = true;
    } else if (tag->name == "pci" && of("class").starts_with("0x03")) {
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
      trees.gpus.back() = true;
      links = 0;
      in_gpu = true;
      if (tag->alone) end_gpu();
    } else if (tag->name == "nvlink") {
      const auto count = whole(of("count"));
      if (!in_gpu || !count || *count > 1000) tags.wrong("an nvlink without a GPU or a count");
      links += *count;
      // PCI's class of what is at the other end: a display controller is another GPU.
      if (of("tclass").starts_with("0x03")) node.direct = true;
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
      trees.nics.push_back(trees.now);
    }
  }
  if (!system || node.gpus == 0) {
    throw sim::InputError(
        fmt::format("{}: no <system> with a <gpu>; is this of NCCL_TOPO_DUMP_FILE?", name));
  }
  if (!open.empty()) {
    tags.wrong(fmt::format("<{}> is not closed: was it cut?", sim::printable(open.back(), 40)));
  }
  leave_out(node, rates, trees);
  node.nvlinks = links_of_all.value_or(0);
  return node;
}

}  // namespace moesim::tools
