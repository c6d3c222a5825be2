#include "tools/study/merge.h"

#include <fmt/format.h>

#include <map>

#include "sim/error.h"
#include "sim/io/file_kind.h"
#include "tools/study/store.h"

namespace moesim::tools {
namespace {

Merged merge_into(Store& out, const std::vector<Store>& stores,
                  const std::vector<std::filesystem::path>& inputs) {
  Merged merged;
  std::map<std::uint64_t, std::size_t> from;  // by ord, the input
  for (std::size_t i = 0; i < stores.size(); ++i) {
    stores[i].each([&](Point point) {
      point.report = stores[i].report(point.ord);
      const auto [first, is_new] = from.emplace(point.ord, i);
      if (is_new) {
        out.add(point);
        ++merged.points;
        return;
      }
      const auto other = stores[first->second].find_ord(point.ord);
      if (other->id != point.id || other->report != point.report || other->status != point.status) {
        throw sim::Error(sim::ExitCode::Failed,
                         fmt::format("{} and {}: have different results for point {} ({}, {})",
                                     inputs[first->second].string(), inputs[i].string(), point.ord,
                                     other->id, point.id));
      }
      ++merged.already;
    });
  }
  return merged;
}

}  // namespace

Merged merge(const std::filesystem::path& target,
             const std::vector<std::filesystem::path>& inputs) {
  std::vector<Store> stores;
  for (const auto& input : inputs) stores.push_back(Store::open(input));
  for (std::size_t i = 1; i < stores.size(); ++i) {
    if (stores[i].spec() != stores[0].spec() || stores[i].version() != stores[0].version()) {
      throw sim::ConfigError(
          fmt::format("{} and {}: are of different studies, or made by different versions",
                      inputs[0].string(), inputs[i].string()));
    }
  }
  if (sim::io::is_there(target)) {
    throw sim::ConfigError(
        fmt::format("{}: is there already; a merge writes a new file", target.string()));
  }
  Store out = Store::create_like(target, stores[0]);
  try {
    Merged merged = merge_into(out, stores, inputs);
    merged.expected = out.expected();
    out.close();
    return merged;
  } catch (...) {
    // Half of them would look like all.
    try {
      out.close();
    } catch (const sim::Error&) {
      // What failed first is what is told.
    }
    std::filesystem::remove(target);
    throw;
  }
}

}  // namespace moesim::tools
