#include "validation/tables/repeated_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <vector>

namespace moesim::validation {
namespace {

constexpr double kApart = 1.1;

struct Seen {
  std::size_t row = 0;  // the first
  double least = 0, most = 0;
};

}  // namespace

std::string repeated_rows_note(const sim::io::CsvTable& table) {
  std::vector<std::size_t> inputs, times;
  for (std::size_t c = 0; c < table.columns().size(); ++c) {
    const std::string& name = table.columns()[c];
    if (name.ends_with("_us"))
      times.push_back(c);
    else if (name != "anomalous")
      inputs.push_back(c);
  }
  if (times.empty()) return "";
  std::unordered_map<std::string, std::size_t> index;  // looked up, never gone through
  std::vector<Seen> seen;
  std::string key;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (table.text(row, times.front()).empty()) continue;
    const double us = table.number(row, times.front());
    key.clear();
    for (const std::size_t c : inputs) key.append(table.text(row, c)) += ',';
    const auto [at, fresh] = index.try_emplace(key, seen.size());
    if (fresh) seen.push_back({row, us, us});
    Seen& s = seen[at->second];
    s.least = std::min(s.least, us);
    s.most = std::max(s.most, us);
  }
  std::size_t apart = 0;
  const Seen* farthest = nullptr;
  for (const Seen& s : seen) {
    if (!(s.most > kApart * s.least)) continue;
    ++apart;
    if (!farthest || s.most * farthest->least > farthest->most * s.least) farthest = &s;
  }
  if (!farthest) return "";
  return fmt::format(
      "{}: {} inputs are there more than once with times over {} times apart, {} at {:.3g} us and "
      "{:.3g} us: several kernels under one name?",
      table.name(), apart, kApart, table.where(farthest->row), farthest->least, farthest->most);
}

}  // namespace moesim::validation
