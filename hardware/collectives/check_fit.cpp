#include "hardware/collectives/check_fit.h"

#include <fmt/format.h>

#include <vector>

#include "hardware/collectives/forms/all.h"
#include "sim/io/yaml_reader.h"

namespace moesim::hardware {
namespace {

template <class M>
void check(const FittedModel& model, const sim::io::YamlNode& node) {
  if (model.kind != M::kKind) return;
  node.at("variant").one_of(std::span<const std::string_view>(M::kVariants));
  const sim::io::YamlNode parameters = node.at("parameters");
  std::vector<std::string_view> names;
  for (const auto& f : M::fields()) names.push_back(f.name);
  parameters.allow_only(names);
  constexpr double kRounding = 1e-3;  // files have five digits
  for (const auto& f : M::fields()) {
    const auto found = parameters.find(f.name);
    if (!found) {
      if (!f.optional) (void)parameters.at(f.name);  // notes that it is missing
      continue;
    }
    const double value = model.parameters.at(std::string(f.name));
    if (value < f.least * (1 - kRounding) || value > f.most * (1 + kRounding))
      found->error(fmt::format("expected a number from {} to {}, not {}", f.least, f.most, value));
  }
}

}  // namespace

bool is_collective_kind(std::string_view kind) {
  bool is = false;
  CollectiveForms::for_each([&]<class M>() { is = is || kind == M::kKind; });
  return is;
}

void check_collective_fit(const FittedModel& model, const sim::io::YamlNode& node) {
  CollectiveForms::for_each([&]<class M>() { check<M>(model, node); });
}

}  // namespace moesim::hardware
