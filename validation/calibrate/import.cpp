#include "validation/calibrate/import.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "sim/error.h"
#include "sim/io/json.h"
#include "validation/calibrate/import_text.h"

namespace moesim::validation {
namespace {

constexpr const char* kPerftestHeader = "bytes,bandwidth_GBps,latency_us\n";

// What DeepEP's tests print of their shape, where they do, over what is given.
DeepEpRun shape_in(std::string_view line, DeepEpRun run) {
  constexpr double kMost = 1e9;  // more is no shape
  const auto take = [&](std::string_view before, int& into) {
    if (const auto value = number_after(line, before); value && *value >= 1 && *value <= kMost)
      into = static_cast<int>(*value);
  };
  take("num_tokens=", run.tokens);
  take("hidden=", run.hidden);
  take("num_topk=", run.top_k);
  take("num_experts=", run.experts);
  return run;
}

// The ranks that a log's lines "[rank 3] …" name: one more than the largest.
int ranks_in(const std::vector<std::string_view>& lines) {
  int ranks = 0;
  for (const std::string_view line : lines) {
    const auto rank = number_after(line, "[rank ");
    if (rank && *rank >= 0 && *rank < 1e6) ranks = std::max(ranks, static_cast<int>(*rank) + 1);
  }
  return ranks;
}

// Nodes that the log does not say and nobody gave.
int nodes_of(const std::vector<std::string_view>& lines, const std::string& name,
             const DeepEpRun& given) {
  constexpr int kUsual = 8;  // GPUs of a node
  if (given.nodes > 0) return given.nodes;
  if (const int ranks = ranks_in(lines); ranks > kUsual) {
    throw sim::ConfigError(
        fmt::format("{}: {} ranks are more than a node of {}: on how many nodes? --nodes N", name,
                    ranks, kUsual));
  }
  for (const std::string_view line : lines) {
    if (line.find("(RDMA)") == std::string_view::npos) continue;
    throw sim::ConfigError(
        fmt::format("{}: the log is of several nodes (RDMA): how many? --nodes N", name));
  }
  return 1;
}

// What a rank says as it ends before the others do.
void refuse_failed(const std::vector<std::string_view>& lines, const std::string& name) {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (const char* said : {"Traceback (most recent call last)", "RuntimeError:", "AssertionError",
                             "timeout check failed", "CUDA error", "NCCL error"}) {
      if (lines[i].find(said) != std::string_view::npos)
        fail(name, i, "the test failed: measure again");
    }
  }
}

// Of an even number the smaller: of two ranks the slow one is the odd one.
double lower_median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

std::string low_latency_csv(const std::vector<std::string_view>& lines, const std::string& name,
                            const DeepEpRun& run, ImportNotes notes) {
  struct Rank {
    std::size_t line;
    double dispatch, combine;
  };
  std::vector<Rank> all;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t second = lines[i].find("| Combine bandwidth:");
    if (lines[i].find("Dispatch bandwidth:") == std::string_view::npos ||
        second == std::string_view::npos)
      continue;
    const auto d = number_after(lines[i].substr(0, second), "avg_t=");
    const auto c = number_after(lines[i].substr(second), "avg_t=");
    if (!d || !c) continue;
    if (lines[i].find(" us") == std::string_view::npos) fail(name, i, "expected an avg_t in us");
    if (!(*d > 0 && *c > 0)) fail(name, i, "expected an avg_t above zero");
    all.push_back({i, *d, *c});
  }
  if (all.empty()) return {};
  std::vector<double> dispatches, combines;
  for (const Rank& rank : all) {
    dispatches.push_back(rank.dispatch);
    combines.push_back(rank.combine);
  }
  const double usual_dispatch = lower_median(dispatches), usual_combine = lower_median(combines);
  double dispatch = 0, combine = 0;
  int ranks = 0;
  for (const Rank& rank : all) {
    if (rank.dispatch > 2 * usual_dispatch || rank.combine > 2 * usual_combine) {
      note(notes, name, rank.line,
           fmt::format("left out: the rank is stalled, {} and {} us where {} and {} are usual",
                       rank.dispatch, rank.combine, usual_dispatch, usual_combine));
      continue;
    }
    dispatch += rank.dispatch, combine += rank.combine, ++ranks;
  }
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
    if (sms && !transmit && lines[i].find("GB/s") != std::string_view::npos)
      fail(name, i,
           "this version of DeepEP prints bandwidths and no times, which a table needs: measure "
           "with one that prints \"transmit: … us\"");
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

std::string import_deepep(std::string_view text, const std::string& name, const DeepEpRun& given,
                          std::vector<std::string>* notes) {
  const std::vector<std::string_view> lines = lines_of(text);
  refuse_failed(lines, name);
  DeepEpRun run = given;
  for (const std::string_view line : lines) run = shape_in(line, run);
  run.nodes = nodes_of(lines, name, given);
  std::string csv = low_latency_csv(lines, name, run, notes);
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

// How many directions a bandwidth is the sum of: two in a bidirectional test.
double directions(std::string_view text) {
  return text.find("Bidirectional") != std::string_view::npos ||
                 text.find("bidirectional\": true") != std::string_view::npos ||
                 text.find("bidirectional\": \"ON") != std::string_view::npos
             ? 2
             : 1;
}

// perftest's --out_json: one result, or a list of them.
std::string perftest_from_json(const sim::io::Json& json, std::string_view text,
                               const std::string& name, double mib, double gbit) {
  if (!json.is_object() || !json.contains("results"))
    throw sim::InputError(fmt::format("{}: no \"results\"; is this of perftest?", name));
  const auto& results = json["results"];
  std::string csv = kPerftestHeader;
  // A log that does not name its unit has it in its messages: so many millions a second.
  const auto unit_of = [&](double bytes, double bandwidth, std::optional<double> millions) {
    if (text.find("Gb/sec") != std::string_view::npos) return gbit;
    if (text.find("MB/sec") != std::string_view::npos) return mib;
    if (text.find("MiB/sec") != std::string_view::npos) return mib;
    for (const double unit : {mib, gbit}) {
      const double other = bytes * millions.value_or(0) * 1e-3;  // GB/s
      if (std::abs(bandwidth * unit - other) < 0.1 * other) return unit;
    }
    throw sim::InputError(
        fmt::format("{}: does not say the unit of BW_average, and MsgRate does not tell it", name));
  };
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
    csv += bandwidth ? fmt::format("{:.0f},{:.6g},\n", *bytes,
                                   *bandwidth * unit_of(*bytes, *bandwidth, real("MsgRate")) /
                                       directions(text))
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
  double unit = kMiB, summed = 1;
  std::string csv = kPerftestHeader;
  std::size_t rows = 0;
  const std::vector<std::string_view> lines = lines_of(text);
  for (std::size_t at_line = 0; at_line < lines.size(); ++at_line) {
    const std::string_view line = lines[at_line];
    const std::vector<std::string_view> words = words_of(line);
    if (words.empty()) continue;
    // Each test's title stands before its table.
    if (line.find("Bidirectional") != std::string_view::npos) summed = 2;
    if (line.find(" BW Test") != std::string_view::npos &&
        line.find("Bidirectional") == std::string_view::npos) {
      summed = 1;
    }
    if (line.find("Completion with error") != std::string_view::npos ||
        line.find("Failed status") != std::string_view::npos) {
      fail(name, at_line, "the test failed: measure again");
    }
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
      csv += fmt::format("{:.0f},{:.6g},\n", *bytes, *value * unit / summed);
    else
      csv += fmt::format("{:.0f},,{:.6g}\n", *bytes, *value);
    ++rows;
  }
  if (rows == 0) throw sim::InputError(fmt::format("{}: no table that begins with #bytes", name));
  return csv;
}

}  // namespace moesim::validation
