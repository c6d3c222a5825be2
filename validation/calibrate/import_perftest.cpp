// perftest: ib_write_bw, ib_write_lat and the like, text and JSON.
#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/io/json.h"
#include "validation/calibrate/import.h"
#include "validation/calibrate/import_text.h"

namespace moesim::validation {
namespace {

constexpr const char* kPerftestHeader = "bytes,bandwidth_GBps,latency_us\n";

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
