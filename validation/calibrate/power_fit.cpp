#include "validation/calibrate/power_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "validation/calibrate/nelder_mead.h"

namespace moesim::validation {
namespace {

using hardware::CardPower;

constexpr double kReadingSigma = 0.1, kPartSigma = 0.5;
constexpr std::size_t kLeastKinds = 3;
constexpr double kAtTheCap = 0.8;  // of the limit

constexpr std::array<double CardPower::*, 4> kParts{&CardPower::busy, &CardPower::memory,
                                                    &CardPower::compute, &CardPower::half};

// The prior's parts times e to the power of x.
CardPower moved(CardPower card, std::span<const double> x) {
  for (std::size_t i = 0; i < kParts.size(); ++i) card.*kParts[i] *= std::exp(x[i]);
  return card;
}

CardPower fit(const std::vector<PowerLoad>& loads, const CardPower& prior) {
  const auto loss = [&](std::span<const double> x) {
    const CardPower card = moved(prior, x);
    double sum = 0;
    for (const PowerLoad& load : loads) {
      const double off = std::log(hardware::power_of(card, load.use) / load.watts) / kReadingSigma;
      sum += off * off;
    }
    for (const double part : x) sum += part * part / (kPartSigma * kPartSigma);
    return sum;
  };
  return moved(prior, minimise(loss, {0, 0, 0, 0}, {}).x);
}

}  // namespace

PowerLoads power_loads(const sim::io::CsvTable& points, const hardware::Device& device) {
  const auto column = [&](const char* name) { return points.column(name); };
  const std::size_t role = column("role"), op = column("op"), impl = column("impl"),
                    dtype = column("dtype"), bytes = column("bytes"), flops = column("flops"),
                    us = column("p50_us"), watts = column("watts"), flags = column("flags");
  PowerLoads found;
  for (std::size_t row = 0; row < points.rows(); ++row) {
    if (points.text(row, role) != "power") continue;
    const std::string operation{points.text(row, op)}, format{points.text(row, dtype)};
    PowerLoad load{.what = operation == "gemm"
                               ? fmt::format("{} {}", format, points.text(row, impl))
                               : operation};
    const auto leave_out = [&](std::string_view why) {
      found.left_out.push_back(fmt::format("{}: {}: {}", points.where(row), load.what, why));
    };
    const auto number_or_0 = [&](std::size_t of) {
      return points.text(row, of).empty() ? 0 : points.number(row, of);
    };
    const double seconds = number_or_0(us) * 1e-6;
    load.watts = number_or_0(watts);
    if (!(seconds > 0) || !(load.watts > 0)) {
      leave_out("no time or no watts");
      continue;
    }
    if (device.power && load.watts < kAtTheCap * device.power->limit_w &&
        points.text(row, flags).find("power_cap") != std::string_view::npos) {
      leave_out(fmt::format("{:.0f} W and a power cap at once", load.watts));
      continue;
    }
    load.use = {
        .busy = 1,
        .memory = points.number(row, bytes) / seconds / device.memory_bandwidth.bytes_per_second()};
    if (const double flop = points.number(row, flops); flop > 0) {
      const auto precision = hardware::parse_precision(format);
      if (!precision || !device.peak.contains(*precision)) {
        leave_out(fmt::format("{} has no peak for {}", device.name, format));
        continue;
      }
      load.use.compute = flop / seconds / device.peak.at(*precision).flop_per_second();
    }
    found.loads.push_back(std::move(load));
  }
  return found;
}

std::optional<PowerFit> fit_power(const std::vector<PowerLoad>& loads, const CardPower& prior) {
  std::set<std::string> kinds;
  for (const PowerLoad& load : loads) kinds.insert(load.what);
  if (kinds.size() < kLeastKinds) return {};
  PowerFit found{.card = fit(loads, prior), .loads = static_cast<std::int64_t>(kinds.size())};
  found.card.error = 0;
  for (const std::string& kind : kinds) {
    std::vector<PowerLoad> others;
    std::ranges::copy_if(loads, std::back_inserter(others),
                         [&](const PowerLoad& load) { return load.what != kind; });
    const CardPower without = fit(others, prior);
    for (const PowerLoad& load : loads) {
      if (load.what != kind) continue;
      found.card.error = std::max(found.card.error,
                                  std::abs(hardware::power_of(without, load.use) / load.watts - 1));
    }
  }
  return found;
}

}  // namespace moesim::validation
