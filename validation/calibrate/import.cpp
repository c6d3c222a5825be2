#include "validation/calibrate/import.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "sim/error.h"
#include "sim/io/json.h"

namespace moesim::validation {
namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  std::size_t at = 0;
  while ((at = line.find_first_not_of(" \t\r", at)) != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

std::optional<double> number(std::string_view word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size()) return {};
  return value;
}

// The number right after a piece of text; nothing where it is not there.
std::optional<double> number_after(std::string_view line, std::string_view before) {
  const std::size_t at = line.find(before);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = line.substr(at + before.size());
  double value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc{}) return {};
  return value;
}

[[noreturn]] void fail(const std::string& name, std::size_t line, const std::string& what) {
  throw sim::InputError(fmt::format("{}:{}: {}", name, line + 1, what));
}

constexpr const char* kPerftestHeader = "bytes,bandwidth_GBps,latency_us\n";

std::string nccl_header() {
  return "op_name,dtype,num_gpus,bytes,latency_us\n";
}

std::string nccl_from_json(const sim::io::Json& json, const std::string& name,
                           const std::string& operation, int ranks) {
  if (!json.contains("results") || !json["results"].is_array())
    throw sim::InputError(fmt::format("{}: no list \"results\"; is this of nccl-tests -J?", name));
  std::string csv = nccl_header();
  for (const auto& r : json["results"]) {
    if (!r.contains("size") || !r["size"].is_number() || !r.contains("out_of_place") ||
        !r["out_of_place"].contains("time") || !r["out_of_place"]["time"].is_number() ||
        !(r["out_of_place"]["time"].get<double>() > 0))
      throw sim::InputError(
          fmt::format("{}: a result without size and an out_of_place.time above zero", name));
    const std::string type = r.value("type", "float");
    csv += fmt::format("{},{},{},{},{}\n", operation, type, ranks, r["size"].get<std::int64_t>(),
                       r["out_of_place"]["time"].get<double>());
  }
  return csv;
}

}  // namespace

std::string import_nccl_tests(std::string_view text, const std::string& name,
                              const std::string& operation, int ranks) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') {
    if (ranks == 0) throw sim::ConfigError(fmt::format("{}: how many GPUs? --ranks N", name));
    return nccl_from_json(sim::io::parse_json(text, name), name, operation, ranks);
  }
  const std::vector<std::string_view> lines = lines_of(text);
  int seen = 0;
  std::optional<std::size_t> size_at, time_at, type_at;
  std::string rows;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::vector<std::string_view> words = words_of(lines[i]);
    if (words.empty()) continue;
    if (words[0] == "#") {
      words.erase(words.begin());
      if (words.size() > 1 && words[0] == "Rank") ++seen;
      const auto place = [&](std::string_view word) -> std::optional<std::size_t> {
        const auto found = std::ranges::find(words, word);
        if (found == words.end()) return {};
        return static_cast<std::size_t>(found - words.begin());
      };
      if (place("size") && place("time"))
        size_at = place("size"), time_at = place("time"), type_at = place("type");
      continue;
    }
    if (!size_at || !number(words[0])) continue;  // what a launcher prints
    if (words.size() <= *time_at) fail(name, i, "the line has fewer columns than the header");
    const auto bytes = number(words[*size_at]), time = number(words[*time_at]);
    if (!bytes || !time || *time <= 0) fail(name, i, "expected a size and a time above zero");
    if (*bytes < 1) continue;  // zero bytes
    rows += fmt::format("{},{},@,{:.0f},{}\n", operation,
                        type_at ? words[*type_at] : std::string_view("float"), *bytes, *time);
  }
  if (!size_at)
    throw sim::InputError(
        fmt::format("{}: no header line with \"size\" and \"time\"; is this of nccl-tests?", name));
  const int gpus = ranks > 0 ? ranks : seen;
  if (gpus < 2) throw sim::ConfigError(fmt::format("{}: how many GPUs? --ranks N", name));
  for (std::size_t at = 0; (at = rows.find('@', at)) != std::string::npos;)
    rows.replace(at, 1, std::to_string(gpus));
  return nccl_header() + rows;
}

namespace {

// What DeepEP's tests print of their shape, where they do, over what is given.
DeepEpRun shape_in(std::string_view line, DeepEpRun run) {
  const auto take = [&](std::string_view before, int& into) {
    if (const auto value = number_after(line, before); value && *value >= 1)
      into = static_cast<int>(*value);
  };
  take("num_tokens=", run.tokens);
  take("hidden=", run.hidden);
  take("num_topk=", run.top_k);
  take("num_experts=", run.experts);
  return run;
}

std::string low_latency_csv(const std::vector<std::string_view>& lines, const std::string& name,
                            const DeepEpRun& run) {
  double dispatch = 0, combine = 0;
  int ranks = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t second = lines[i].find("| Combine bandwidth:");
    if (lines[i].find("Dispatch bandwidth:") == std::string_view::npos ||
        second == std::string_view::npos)
      continue;
    const auto d = number_after(lines[i].substr(0, second), "avg_t=");
    const auto c = number_after(lines[i].substr(second), "avg_t=");
    if (!d || !c) continue;
    if (!(*d > 0 && *c > 0)) fail(name, i, "expected an avg_t above zero");
    dispatch += *d, combine += *c, ++ranks;
  }
  if (ranks == 0) return {};
  return fmt::format(
      "node_num,hidden_size,num_token,num_topk,num_experts,dispatch_us,combine_us\n"
      "{},{},{},{},{},{:.6g},{:.6g}\n",
      run.nodes, run.hidden, run.tokens, run.top_k, run.experts, dispatch / ranks, combine / ranks);
}

// Lines "[tuning] Best dispatch (FP8): SMs 24, …, transmit: 430.1 us, notify: 55.2 us, …" and
// "[tuning] Best combine: …"; within a node "t: 430.1 us" or "avg_t: …".
std::string normal_csv(const std::vector<std::string_view>& lines, const std::string& name,
                       const DeepEpRun& run) {
  struct Best {
    double sms = 0, transmit = 0, notify = 0;
  } dispatch, combine;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    // The dispatch in FP8 is the one that tables have; one in BF16 is passed over.
    const bool out = lines[i].find("Best dispatch (FP8)") != std::string_view::npos;
    if (!out && lines[i].find("Best combine") == std::string_view::npos) continue;
    const auto sms = number_after(lines[i], "SMs ");
    auto transmit = number_after(lines[i], "transmit: ");
    if (!transmit) transmit = number_after(lines[i], " avg_t: ");
    if (!transmit) transmit = number_after(lines[i], " t: ");
    if (!sms || !transmit || !(*sms > 0 && *transmit > 0))
      fail(name, i, "expected SMs and a time (transmit: … us) above zero");
    Best& best = out ? dispatch : combine;
    best.sms = *sms;
    best.transmit = *transmit;
    best.notify = number_after(lines[i], "notify: ").value_or(0);
  }
  if (dispatch.transmit == 0 || combine.transmit == 0) return {};
  return fmt::format(
      "node_num,hidden_size,num_token,num_topk,num_experts,sms,dispatch_transmit_us,"
      "dispatch_notify_us,combine_transmit_us,combine_notify_us\n"
      "{},{},{},{},{},{:.0f},{:.6g},{:.6g},{:.6g},{:.6g}\n",
      run.nodes, run.hidden, run.tokens, run.top_k, run.experts, dispatch.sms, dispatch.transmit,
      dispatch.notify, combine.transmit, combine.notify);
}

}  // namespace

std::string import_deepep(std::string_view text, const std::string& name, const DeepEpRun& given) {
  const std::vector<std::string_view> lines = lines_of(text);
  DeepEpRun run = given;
  for (const std::string_view line : lines) run = shape_in(line, run);
  std::string csv = low_latency_csv(lines, name, run);
  if (csv.empty()) csv = normal_csv(lines, name, run);
  if (csv.empty())
    throw sim::InputError(
        fmt::format("{}: no line \"Dispatch bandwidth: … avg_t=… us | Combine bandwidth: …\" (low "
                    "latency), and "
                    "not both of \"Best dispatch (FP8): …\" and \"Best combine: …\" (normal)",
                    name));
  return csv;
}

namespace {

// perftest's --out_json: one result, or a list of them.
std::string perftest_from_json(const sim::io::Json& json, std::string_view text,
                               const std::string& name, double mib, double gbit) {
  if (!json.is_object() || !json.contains("results"))
    throw sim::InputError(fmt::format("{}: no \"results\"; is this of perftest?", name));
  const auto& results = json["results"];
  std::string csv = kPerftestHeader;
  const double unit = text.find("Gb/sec") != std::string_view::npos ? gbit : mib;
  const auto add = [&](const sim::io::Json& r) {
    const auto real = [&](const char* key) -> std::optional<double> {
      if (!r.contains(key) || !r[key].is_number()) return {};
      return r[key].get<double>();
    };
    const auto bytes = real("MsgSize"), bandwidth = real("BW_average"), us = real("t_typical");
    if (!r.is_object() || !bytes || *bytes < 1 || !(bandwidth || us) ||
        bandwidth.value_or(1) <= 0 || us.value_or(1) <= 0)
      throw sim::InputError(
          fmt::format("{}: a result without MsgSize and BW_average or t_typical above zero", name));
    csv += bandwidth ? fmt::format("{:.0f},{:.6g},\n", *bytes, *bandwidth * unit)
                     : fmt::format("{:.0f},,{:.6g}\n", *bytes, *us);
  };
  if (results.is_array())
    for (const auto& r : results) add(r);
  else
    add(results);
  return csv;
}

}  // namespace

std::string import_perftest(std::string_view text, const std::string& name) {
  constexpr double kMiB = 1048576e-9, kGbit = 1.0 / 8;
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{')
    return perftest_from_json(sim::io::parse_json(text, name), text, name, kMiB, kGbit);
  std::optional<std::size_t> bandwidth_at, latency_at;
  double unit = kMiB;
  std::string csv = kPerftestHeader;
  std::size_t rows = 0;
  const std::vector<std::string_view> lines = lines_of(text);
  for (std::size_t at_line = 0; at_line < lines.size(); ++at_line) {
    const std::string_view line = lines[at_line];
    const std::vector<std::string_view> words = words_of(line);
    if (words.empty()) continue;
    if (words[0] == "#bytes") {
      bandwidth_at = latency_at = {};
      unit = line.find("Gb/sec") != std::string_view::npos ? kGbit : kMiB;
      // "BW peak[…]" and "BW average[…]" are two words each.
      if (line.find("BW average") != std::string_view::npos) bandwidth_at = 3;
      if (line.find("t_typical") != std::string_view::npos) latency_at = 4;
      continue;
    }
    const auto bytes = number(words[0]);
    if (!bytes || (!bandwidth_at && !latency_at)) continue;
    const std::size_t at = bandwidth_at ? *bandwidth_at : *latency_at;
    const auto value = words.size() > at ? number(words[at]) : std::nullopt;
    if (!value) continue;
    if (!(*value > 0)) fail(name, at_line, "expected a bandwidth or a time above zero");
    if (bandwidth_at)
      csv += fmt::format("{:.0f},{:.6g},\n", *bytes, *value * unit);
    else
      csv += fmt::format("{:.0f},,{:.6g}\n", *bytes, *value);
    ++rows;
  }
  if (rows == 0) throw sim::InputError(fmt::format("{}: no table that begins with #bytes", name));
  return csv;
}

}  // namespace moesim::validation
