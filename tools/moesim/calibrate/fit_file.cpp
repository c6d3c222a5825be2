#include "tools/moesim/calibrate/fit_file.h"

#include <fmt/format.h>

#include <filesystem>
#include <sstream>

#include "sim/io/atomic_file.h"
#include "sim/io/csv.h"
#include "sim/io/file_kind.h"
#include "tools/moesim/calibrate/fit_jobs.h"
#include "validation/calibrate/fitted_file.h"

namespace moesim::tools {
namespace {

// The commands at the top of a fitted file: all that made what it has, in their order.
std::string commands_of(const std::string& file) {
  constexpr std::string_view kStart = "# moesim calibrate fit ";
  std::istringstream text(sim::io::read_text(file));
  std::string commands;
  for (std::string line; std::getline(text, line) && line.starts_with('#');)
    if (line.starts_with(kStart)) commands += line.substr(2) + '\n';
  return commands;
}

}  // namespace

std::string fit_command_line(const Arguments& arguments) {
  std::string line = fmt::format("moesim calibrate fit --device {}",
                                 std::filesystem::path(arguments.text("device")).stem().string());
  for (const char* option : {"impl", "kind"})
    if (const auto value = arguments.find(option)) line += fmt::format(" --{} {}", option, *value);
  if (const auto prior = arguments.find("prior"))
    line += " --prior " + std::filesystem::path(*prior).stem().string();
  for (const std::string& text : arguments.all("TABLE")) {
    const FitSource source = parse_fit_source(text);
    line += source.implementation.empty()
                ? fmt::format(" {}", source.names())
                : fmt::format(" {}={}", source.implementation, source.names());
  }
  if (arguments.has("source")) line += fmt::format(" --source \"{}\"", arguments.text("source"));
  if (arguments.has("replace")) line += " --replace";
  if (const auto file = arguments.find("output"))
    line += " -o " + std::filesystem::path(*file).filename().string();
  if (const auto file = arguments.find("network"))
    line += " --network " + std::filesystem::path(*file).filename().string();
  return line;
}

std::string link_constants(const std::vector<hardware::FittedModel>& models,
                           const hardware::Device& device) {
  constexpr double kRanks = 8;
  std::string text;
  for (const hardware::FittedModel& m : models) {
    const auto of = [&](const char* name) { return m.parameters.at(name); };
    const std::string from =
        fmt::format("{} {}, {} points, hold-out {:.1f} / {:.1f} %", m.kind, m.variant, m.points,
                    m.median_error_percent, m.p90_error_percent);
    if (m.kind == "nccl" && m.variant == "all_gather")
      text += fmt::format(
          "\nscale-up: {:.0f} GB/s of {:.0f} at 8 ranks, {:.1f} us for the smallest message ({})",
          device.scale_up.bytes_per_second() * 1e-9 * of("wide_efficiency") *
              (1 - of("wide_loss") / kRanks),
          device.scale_up.bytes_per_second() * 1e-9,
          of("quick_us") + of("quick_step_us") * (kRanks - 1), from);
    if (m.kind == "deepep_ll" && m.variant == "dispatch_internode")
      text += fmt::format(
          "\nscale-out: {:.1f} GB/s of {:.1f} a NIC, {:.1f} us more for each doubling of nodes "
          "({})",
          device.scale_out.bytes_per_second() * 1e-9 * of("far_efficiency"),
          device.scale_out.bytes_per_second() * 1e-9, of("per_log2_nodes_us"), from);
  }
  return text;
}

void write_models(const std::string& file, const std::vector<hardware::FittedModel>& fresh,
                  bool replace, const std::string& what, const std::string& command) {
  std::vector<hardware::FittedModel> models;
  std::string header = what + '\n';
  if (sim::io::is_there(file) && !replace) {
    models = hardware::load_fitted(file);
    header += commands_of(file);
  }
  header += command;
  sim::io::write_file(
      file, validation::fitted_to_yaml(validation::merged(std::move(models), fresh), header));
}

}  // namespace moesim::tools
