#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "sim/io/json.h"
#include "tools/moesim/calibrate/calibration.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using validation::ErrorSummary;
using validation::PointsSummary;
using validation::Range;

constexpr std::size_t kShownFailures = 5;

std::string line(const std::string& name, const std::string& text) {
  return fmt::format("  {:<16}{}\n", name, text);
}

std::string of(double value, double all) {
  return all > 0 ? fmt::format(" ({:.0f} % of the datasheet)", 100 * value / all) : "";
}

std::string measured_text(const Calibration& c) {
  const PointsSummary& p = c.points;
  std::string text =
      line("measured", fmt::format("{} of {} points in two passes{}", p.measured, c.planned,
                                   c.cut_short ? "; the time did not suffice" : ""));
  for (const auto& [flag, count] : p.flags) text += line("", fmt::format("{} {}", count, flag));
  for (const auto& [why, count] : p.skipped_for) {
    text += line("", fmt::format("{} skipped: {}", count, why));
  }
  text += line("checks", fmt::format("{} agree with their references, {} skipped, {} failed",
                                     c.selftest.passed, c.selftest.skipped, c.selftest.failed));
  for (std::size_t i = 0; i < c.selftest.failures.size() && i < kShownFailures; ++i) {
    text += line("", c.selftest.failures[i]);
  }
  return text;
}

std::string ceilings_text(const Calibration& c) {
  const PointsSummary& p = c.points;
  const double bandwidth = c.base.memory_bandwidth.bytes_per_second();
  std::string text;
  const auto add = [&](const std::string& value) {
    text += line(text.empty() ? "ceilings" : "", value);
  };
  if (p.copy) add(fmt::format("copy {:.2f} TB/s{}", *p.copy * 1e-12, of(*p.copy, bandwidth)));
  if (p.read) add(fmt::format("read {:.2f} TB/s{}", *p.read * 1e-12, of(*p.read, bandwidth)));
  for (const auto& product : p.products) {
    const auto precision = hardware::parse_precision(product.precision);
    const auto peak = precision ? c.base.peak.find(*precision) : c.base.peak.end();
    add(fmt::format("{} {} {:.0f} TFLOP/s{}", product.precision, product.implementation,
                    product.flop_per_second * 1e-12,
                    of(product.flop_per_second,
                       peak == c.base.peak.end() ? 0 : peak->second.flop_per_second())));
  }
  if (p.launch_us) add(fmt::format("empty kernel in a graph {:.2f} us", *p.launch_us));
  for (const auto& [impl, ratio] : p.to_cublaslt) {
    add(fmt::format("{}: {:.2f} of cuBLASLt's speed (median of equal shapes)", impl, ratio));
  }
  for (const auto& [impl, share] : p.share_of_copy) {
    add(fmt::format("{}: {:.2f} of the copy's bandwidth where rows are few", impl, share));
  }
  return text;
}

std::string error_text(const ErrorSummary& e) {
  return fmt::format(
      "median {:.1f} %, p90 {:.1f} %, bias {:+.1f} %, {:.0f} % within the interval ({})", e.median,
      e.p90, e.bias, e.coverage90, e.n);
}

std::string fits_text(const Calibration& c) {
  std::string text;
  for (const JudgedFit& f : c.fits) {
    text += line(text.empty() ? "error" : "", fmt::format("{} {} {}, fitted on {} points", f.kind,
                                                          f.implementation, f.variant, f.points));
    if (f.unseen.n > 0) text += line("", "  unseen shapes   " + error_text(f.unseen));
    if (f.model.n > 0) text += line("", "  unseen model    " + error_text(f.model));
  }
  for (const std::string& why : c.not_fitted) text += line("not fitted", why);
  return text;
}

std::string range_text(const Range& r, const char* unit) {
  return fmt::format("{:.0f} {} (from {:.0f} to {:.0f})", r.median, unit, r.least, r.most);
}

std::string card_text(const Calibration& c) {
  const PointsSummary& p = c.points;
  std::string text;
  if (p.sm_mhz.n == 0) {
    text += line("clocks", "could not be read");
  } else {
    text += line("clocks", range_text(p.sm_mhz, "MHz"));
    text += line("", range_text(p.power_watts, "W") + ", " + range_text(p.celsius, "C"));
    const auto count = [&](const char* flag) {
      const auto found = p.flags.find(flag);
      return found == p.flags.end() ? 0 : found->second;
    };
    text += line("", fmt::format("{} points throttled, {} at the power cap", count("throttled"),
                                 count("power_cap")));
  }
  text += line("two passes", fmt::format("{:.1f} % apart (median)", p.drift_percent));
  for (const auto& [what, watts] : p.watts) {
    text += line(what == p.watts.begin()->first ? "power" : "",
                 fmt::format("{} {:.0f} W", what, watts));
  }
  if (c.power) {
    text += line("", fmt::format("fitted on {} loads; one of them lies off a fit on the others by "
                                 "up to {:.0f} %",
                                 c.power->loads, 100 * c.power->card.error));
  }
  bool first = true;
  for (const auto& m : p.memory) {
    if (m.what == "allocation") continue;
    const std::string formula =
        m.formula > 0 ? fmt::format(", the formula says {:.1f} MB", m.formula * 1e-6) : "";
    text += line(first ? "memory" : "",
                 fmt::format("{} {:.1f} MB{}", m.what, m.measured * 1e-6, formula));
    first = false;
  }
  return text;
}

Json to_json(const ErrorSummary& e) {
  if (e.n == 0) return Json();
  return {{"n", e.n},
          {"median_percent", e.median},
          {"p90_percent", e.p90},
          {"bias_percent", e.bias},
          {"coverage90_percent", e.coverage90}};
}

Json or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

Json to_json(const Range& r) {
  if (r.n == 0) return Json();
  return {{"least", r.least}, {"median", r.median}, {"most", r.most}};
}

std::string next_command(const Calibration& c) {
  std::string command =
      fmt::format("moesim run mixtral-8x7b-decode-h100 --set cluster={}", c.clusters.back());
  // Of the experts' kernels the quickest on Hopper, where it is there; and whatever else was
  // fitted.
  const JudgedFit* experts = nullptr;
  bool dense = false, attention = false;
  for (const JudgedFit& f : c.fits) {
    const bool better = experts == nullptr || f.implementation == "moesim_wgmma";
    if (f.kind == "moe" && f.variant == "bf16" && better) experts = &f;
    dense |= f.kind == "gemm" && f.implementation == "cublaslt";
    attention |= f.kind == "generation_attention" || f.kind == "context_attention";
  }
  if (experts != nullptr) command += " --set kernels.moe=" + experts->implementation;
  if (dense) command += " --set kernels.gemm=cublaslt";
  if (attention) command += " --set kernels.attention=moesim";
  return command;
}

}  // namespace

std::string calibration_text(const Calibration& c) {
  std::string text = fmt::format("{}: {}\n", c.request.name, c.points.device);
  text += measured_text(c) + ceilings_text(c) + fits_text(c) + card_text(c);
  for (const Change& change : c.changes) {
    text += line(&change == &c.changes.front() ? "instead of " + c.base_name : "",
                 fmt::format("{} {}, was {}", change.what, change.now, change.before));
  }
  text += line("device", c.device_file.string());
  text += line("all of it", c.request.folder.string());
  text += line("next", next_command(c));
  if (c.cut_short) {
    text += line(
        "", fmt::format("moesim calibrate run {} … again goes on with the rest", c.request.name));
  }
  return text;
}

std::string calibration_json(const Calibration& c) {
  const PointsSummary& p = c.points;
  Json json{{"name", c.request.name},
            {"card", p.device},
            {"base", c.base_name},
            {"planned", c.planned},
            {"measured", p.measured},
            {"skipped", p.skipped},
            {"flags", p.flags},
            {"skipped_for", p.skipped_for},
            {"cut_short", c.cut_short},
            {"copy_bytes_per_s", or_null(p.copy)},
            {"read_bytes_per_s", or_null(p.read)},
            {"launch_us", or_null(p.launch_us)},
            {"context_bytes", or_null(p.context_bytes)},
            {"ratio_to_cublaslt", p.to_cublaslt},
            {"share_of_copy", p.share_of_copy},
            {"watts", p.watts},
            {"sm_mhz", to_json(p.sm_mhz)},
            {"power_watts", to_json(p.power_watts)},
            {"celsius", to_json(p.celsius)},
            {"drift_percent", p.drift_percent},
            {"not_fitted", c.not_fitted},
            {"left_out", c.left_out},
            {"device_file", c.device_file.string()},
            {"clusters", c.clusters},
            {"next", next_command(c)}};
  json["selftest"] = {{"passed", c.selftest.passed},
                      {"failed", c.selftest.failed},
                      {"skipped", c.selftest.skipped},
                      {"without", c.selftest.without},
                      {"failures", c.selftest.failures}};
  if (c.power) {
    const hardware::CardPower& card = c.power->card;
    json["power"] = {{"loads", c.power->loads}, {"busy", card.busy}, {"memory", card.memory},
                     {"compute", card.compute}, {"half", card.half}, {"error", card.error}};
  }
  json["products"] = Json::array();
  for (const auto& product : p.products) {
    json["products"].push_back({{"precision", product.precision},
                                {"implementation", product.implementation},
                                {"flop_per_s", product.flop_per_second}});
  }
  json["fits"] = Json::array();
  for (const JudgedFit& f : c.fits) {
    json["fits"].push_back({{"kind", f.kind},
                            {"implementation", f.implementation},
                            {"variant", f.variant},
                            {"points", f.points},
                            {"unseen_shapes", to_json(f.unseen)},
                            {"unseen_model", to_json(f.model)}});
  }
  json["memory"] = Json::array();
  for (const auto& m : p.memory) {
    json["memory"].push_back(
        {{"what", m.what}, {"measured_bytes", m.measured}, {"formula_bytes", m.formula}});
  }
  json["changes"] = Json::array();
  for (const Change& change : c.changes) {
    json["changes"].push_back(
        {{"what", change.what}, {"before", change.before}, {"now", change.now}});
  }
  return sim::io::to_text(json);
}

}  // namespace moesim::tools
