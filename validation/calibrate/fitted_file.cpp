#include "validation/calibrate/fitted_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace moesim::validation {
namespace {

using hardware::FittedModel;
using Out = std::back_insert_iterator<std::string>;

constexpr std::size_t kValuesALine = 24;

// In double quotes, so that a colon or a '#' in it means nothing.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result + "\"";
}

void write_residual(const hardware::ResidualTable& residual, Out out) {
  fmt::format_to(out, "    residual:\n      axes:\n");
  for (const auto& [name, knots] : residual.axes)
    fmt::format_to(out, "        {}: [{}]\n", name, fmt::join(knots, ", "));
  fmt::format_to(out, "      ln_permille: >-");  // one text, which is read fast
  for (std::size_t i = 0; i < residual.values.size(); ++i)
    fmt::format_to(out, "{}{}", i % kValuesALine == 0 ? "\n        " : " ",
                   std::lround(residual.values[i] * 1000));
  fmt::format_to(out, "\n");
}

void write_model(const FittedModel& m, Out out) {
  fmt::format_to(out, "  - kind: {}\n    implementation: {}\n", m.kind, m.implementation);
  if (!m.variant.empty()) fmt::format_to(out, "    variant: {}\n", m.variant);
  fmt::format_to(out, "    parameters:\n");
  for (const auto& [name, value] : m.parameters) fmt::format_to(out, "      {}: {}\n", name, value);
  if (!m.valid.empty()) fmt::format_to(out, "    valid:\n");
  for (const auto& [name, range] : m.valid)
    fmt::format_to(out, "      {}: [{:.6g}, {:.6g}]\n", name, range.first, range.second);
  if (!m.seen.empty()) fmt::format_to(out, "    seen:\n");
  for (const auto& [name, values] : m.seen)
    fmt::format_to(out, "      {}: [{:.6g}]\n", name, fmt::join(values, ", "));
  fmt::format_to(out, "    points: {}\n", m.points);
  if (m.p90_error_percent > 0)  // else nothing was held out
    fmt::format_to(
        out, "    holdout: {{median_percent: {:.2f}, p90_percent: {:.2f}, bias_percent: {:.2f}}}\n",
        m.median_error_percent, m.p90_error_percent, m.bias_percent);
  if (!m.interval.empty()) fmt::format_to(out, "    interval:\n");
  for (const auto& [regime, range] : m.interval)
    fmt::format_to(out, "      {}: [{:.4f}, {:.4f}, {:.4f}, {:.4f}]\n",
                   regime.empty() ? "all" : regime, range.p05, range.p10, range.p90, range.p95);
  if (!m.residual.values.empty()) write_residual(m.residual, out);
  fmt::format_to(out, "    provenance: {{origin: {}, source: {}}}\n", name_of(m.provenance.origin),
                 quoted(m.provenance.source));
}

}  // namespace

std::string fitted_to_yaml(std::span<const FittedModel> models, const std::string& header) {
  std::string text;
  const Out out(text);
  std::size_t begin = 0;
  while (begin < header.size()) {
    const std::size_t end = std::min(header.find('\n', begin), header.size());
    fmt::format_to(out, "# {}\n", header.substr(begin, end - begin));
    begin = end + 1;
  }
  fmt::format_to(out, "models:\n");
  for (const FittedModel& m : models) write_model(m, out);
  return text;
}

std::vector<FittedModel> merged(std::vector<FittedModel> models,
                                std::span<const FittedModel> fresh) {
  const auto key = [](const FittedModel& m) {
    return std::tie(m.kind, m.implementation, m.variant);
  };
  for (const FittedModel& f : fresh) {
    const auto same =
        std::ranges::find_if(models, [&](const FittedModel& m) { return key(m) == key(f); });
    if (same == models.end())
      models.push_back(f);
    else
      *same = f;
  }
  std::ranges::stable_sort(
      models, [&](const FittedModel& a, const FittedModel& b) { return key(a) < key(b); });
  return models;
}

}  // namespace moesim::validation
