#include "hardware/reliability.h"

#include <fmt/format.h>

namespace moesim::hardware {

StatedReliability read_reliability(const sim::io::YamlNode& node) {
  node.allow_only({"gpu_hours", "restart", "recovery", "source"});
  StatedReliability stated;
  if (const auto hours = node.find("gpu_hours")) stated.gpu_hours = hours->number(1, 1e12);
  if (const auto restart = node.find("restart"))
    stated.restart_h = sim::to_seconds(restart->duration()) / 3600;
  if (const auto recovery = node.find("recovery"))
    stated.recovery_h = sim::to_seconds(recovery->duration()) / 3600;
  if (const auto source = node.find("source")) stated.source = source->text();
  return stated;
}

Reliability with(Reliability base, const StatedReliability& stated, const std::string& whose) {
  if (!stated.given()) return base;
  std::string left;
  const auto take = [&](const char* name, const std::optional<double>& value, double& into) {
    if (value)
      into = *value;
    else
      left += fmt::format("{}{}", left.empty() ? "" : ", ", name);
  };
  take("gpu_hours", stated.gpu_hours, base.gpu_hours);
  take("restart", stated.restart_h, base.restart_h);
  take("recovery", stated.recovery_h, base.recovery_h);
  std::string source = whose;
  if (!stated.source.empty()) source += ": " + stated.source;
  if (!left.empty()) source += fmt::format("; {} of {}", left, base.source);
  base.source = std::move(source);
  return base;
}

std::optional<Reliability> own_reliability_of(const std::filesystem::path& file,
                                              const std::vector<sim::io::YamlOverride>& overrides,
                                              bool recovers) {
  auto document = sim::io::YamlDocument::load(file);
  for (const auto& [path, value, where] : overrides) document.set(path, value, where);
  const auto node = document.root().find("reliability");
  if (!node) return {};
  StatedReliability stated = read_reliability(*node);
  document.throw_errors();
  if (!stated.given()) return {};
  if (!recovers) stated.recovery_h = stated.recovery_h.value_or(Reliability{}.recovery_h);
  return with({}, stated, "cluster " + file.stem().string());
}

Reliability reliability_of(const std::filesystem::path& file,
                           const std::vector<sim::io::YamlOverride>& overrides) {
  return own_reliability_of(file, overrides).value_or(Reliability{});
}

}  // namespace moesim::hardware
