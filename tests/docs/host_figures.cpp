// What the host of SGLang's published decodes takes, as least squares of what is left of their
// steps.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "sim/io/yaml_reader.h"
#include "tests/docs/case_rows.h"
#include "tests/docs/figures.h"
#include "validation/statistics.h"

namespace moesim::tests {
namespace {

// A time a step, a sequence, a drafted token.
using Terms = std::array<double, 3>;

struct Decode {
  std::string source;  // who measured it
  Terms counts{};      // 1, sequences of a GPU, tokens drafted
  double measured_us = 0, without_host_us = 0;

  double host_us(const Terms& us) const {
    return counts[0] * us[0] + counts[1] * us[1] + counts[2] * us[2];
  }
  // Of the step's time, in percent.
  double error(const Terms& us) const {
    return 100 * ((without_host_us + host_us(us)) / measured_us - 1);
  }
};

std::vector<Decode> decodes() {
  std::vector<Decode> all;
  for (const CaseRow& row : case_rows({"decode"})) {
    const auto document = sim::io::YamlDocument::load("validation/cases/" + row.file + ".yaml");
    const auto step = document.root().at("scenario").at("step");
    const auto speculation = step.find("speculation");
    Decode d;
    d.source = row.file.substr(0, row.file.find("-decode"));
    d.counts = {1, static_cast<double>(step.at("batch_per_rank").integer(1, 1 << 20)),
                speculation ? static_cast<double>(speculation->at("draft").integer(1, 16)) : 0.0};
    // Throughput goes as one over the step.
    d.measured_us = row.step_us.value() * row.predicted / row.measured;
    d.without_host_us = row.step_us.value() - row.host_us.value();
    all.push_back(d);
  }
  return all;
}

// Least squares of the relative errors over the terms of `used` alone: Gauss with pivots on at most
// three unknowns. NaN where they are not independent.
Terms solved(const std::vector<Decode>& of, const std::array<bool, 3>& used) {
  std::array<std::array<double, 4>, 3> a{};
  for (std::size_t i = 0; i < 3; ++i) a[i][i] = used[i] ? 0 : 1;
  for (const Decode& d : of) {
    for (std::size_t i = 0; i < 3; ++i) {
      if (!used[i]) continue;
      const double x = d.counts[i] / d.measured_us;
      a[i][3] += x * (1 - d.without_host_us / d.measured_us);
      for (std::size_t j = 0; j < 3; ++j)
        if (used[j]) a[i][j] += x * d.counts[j] / d.measured_us;
    }
  }
  for (std::size_t c = 0; c < 3; ++c) {
    std::size_t pivot = c;
    for (std::size_t r = c; r < 3; ++r)
      if (std::abs(a[r][c]) > std::abs(a[pivot][c])) pivot = r;
    std::swap(a[c], a[pivot]);
    for (std::size_t r = 0; r < 3; ++r) {
      if (r == c) continue;
      const double factor = a[r][c] / a[c][c];
      for (std::size_t k = c; k < 4; ++k) a[r][k] -= factor * a[c][k];
    }
  }
  return {a[0][3] / a[0][0], a[1][3] / a[1][1], a[2][3] / a[2][2]};
}

// None below zero: the best of all choices of terms whose solution is none.
Terms fitted(const std::vector<Decode>& of) {
  Terms best{};
  double least = 1e300;
  for (unsigned choice = 0; choice < 8; ++choice) {
    const Terms us = solved(of, {(choice & 1) != 0, (choice & 2) != 0, (choice & 4) != 0});
    double squares = 0;
    for (const Decode& d : of) squares += d.error(us) * d.error(us);
    const bool allowed = std::ranges::all_of(us, [](double t) { return t >= 0; });
    if (allowed && squares < least) {
      least = squares;
      best = us;
    }
  }
  return best;
}

std::string line(const char* what, const std::vector<double>& errors) {
  std::vector<double> absolute;
  for (const double e : errors) absolute.push_back(std::abs(e));
  return fmt::format("| {} | {:.1f} % | {:+.1f} % | {} of {} |\n", what,
                     validation::quantile(absolute, 0.5), validation::quantile(errors, 0.5),
                     std::ranges::count_if(absolute, [](double e) { return e <= 20; }),
                     errors.size());
}

// Each decode's error by a fit on those that `use` lets in beside it.
std::vector<double> held_out(
    const std::vector<Decode>& all,
    const std::function<bool(const Decode& judged, const Decode& other)>& use) {
  std::vector<double> errors;
  for (const Decode& judged : all) {
    std::vector<Decode> others;
    for (const Decode& other : all)
      if (use(judged, other)) others.push_back(other);
    errors.push_back(judged.error(fitted(others)));
  }
  return errors;
}

std::string hosts_table() {
  const std::vector<Decode> all = decodes();
  const Terms us = fitted(all);
  std::string table =
      "\n| step time of the decodes | median of absolute error | bias | within 20 % "
      "|\n|---|---:|---:|---:|\n";
  std::vector<double> without, with;
  for (const Decode& d : all) {
    without.push_back(d.error({}));
    with.push_back(d.error(us));
  }
  table += line("no host", without);
  table += line("fitted on all", with);
  table += line("each by a fit on the others",
                held_out(all, [](const Decode& a, const Decode& b) { return &a != &b; }));
  table +=
      line("each by a fit on the other sources",
           held_out(all, [](const Decode& a, const Decode& b) { return a.source != b.source; }));
  return table;
}

std::string hosts_in_words() {
  const Terms us = fitted(decodes());
  return fmt::format("{:.1f} ms a step, {:.2f} ms a sequence, {:.1f} ms a drafted token",
                     us[0] / 1e3, us[1] / 1e3, us[2] / 1e3);
}

std::string hosts_by_source() {
  const std::vector<Decode> all = decodes();
  const std::vector<double> errors =
      held_out(all, [](const Decode& a, const Decode& b) { return a.source != b.source; });
  std::vector<double> absolute;
  for (const double e : errors) absolute.push_back(std::abs(e));
  return fmt::format("median {:.1f} %, {} of {} within 20 %", validation::quantile(absolute, 0.5),
                     std::ranges::count_if(absolute, [](double e) { return e <= 20; }), all.size());
}

}  // namespace

void add_host_figures(Figures& figures) {
  figures["hosts"] = hosts_table;
  figures["hosts in words"] = hosts_in_words;
  figures["hosts by source"] = hosts_by_source;
}

}  // namespace moesim::tests
