#include "tools/moesim/doctor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/version.hpp>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/io/json.h"
#include "sim/io/libraries.h"
#include "sim/units_text.h"
#include "tools/moesim/calibrate/calibrate_commands.h"
#include "tools/moesim/config_folder.h"
#include "tools/moesim/self_check.h"

namespace moesim::tools {
namespace {

constexpr double kLeastCapability = 8;

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "g++ " __VERSION__;
#endif

void look_at_configs(Diagnosis& diagnosis) {
  const auto folder = config_folder();
  if (!folder) return;
  diagnosis.configs = folder->string();
  for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
    if (!entry.is_directory()) continue;
    int files = 0;
    for (const auto& file : std::filesystem::directory_iterator(entry)) {
      const auto extension = file.path().extension();
      if (extension == ".yaml" || extension == ".json" || extension == ".h5") ++files;
    }
    diagnosis.config_files.emplace_back(entry.path().filename().string(), files);
  }
  std::sort(diagnosis.config_files.begin(), diagnosis.config_files.end());
}

std::string line(std::string_view name, std::string_view value) {
  return fmt::format("  {:<16}{}\n", name, value);
}

}  // namespace

bool Diagnosis::ok() const {
  return configs &&
         std::all_of(checks.begin(), checks.end(), [](const SelfCheck& check) { return check.ok; });
}

std::vector<std::string> calibration_lacks(const Diagnosis& diagnosis) {
  std::vector<std::string> lacks;
  const GpuProbe& gpu = diagnosis.gpu;
  if (!diagnosis.gpu_program) {
    lacks.push_back(gpu.toolkit
                        ? "moesim-gpu: configure and build again, with -DMOESIM_CUDA=ON"
                        : "moesim-gpu: build it where CUDA is and bring it here, on the PATH "
                          "(validation/cuda/README.md)");
  }
  if (gpu.gpus.empty()) {
    lacks.push_back("a GPU: " + gpu.why_none);
  } else if (std::strtod(gpu.gpus.front().capability.c_str(), nullptr) < kLeastCapability) {
    lacks.push_back(fmt::format("a GPU of compute capability 8.0: {} has {}", gpu.gpus.front().name,
                                gpu.gpus.front().capability));
  }
  return lacks;
}

Diagnosis diagnose() {
  Diagnosis diagnosis;
  diagnosis.version = MOESIM_VERSION;
  diagnosis.compiler = kCompiler;
  diagnosis.build_type = MOESIM_BUILD_TYPE;
  diagnosis.libraries = sim::io::library_versions();
  diagnosis.libraries.emplace_back(
      "Boost", fmt::format("{}.{}.{}", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000,
                           BOOST_VERSION % 100));
  diagnosis.hdf5_filters = sim::io::hdf5_filters();
  look_at_configs(diagnosis);
  diagnosis.gpu = probe_gpus();
  if (const auto program = find_gpu_program({})) diagnosis.gpu_program = program->string();
  diagnosis.cublaslt = has_cublaslt();
  diagnosis.checks = check_readers();
  return diagnosis;
}

std::string to_text(const Diagnosis& diagnosis) {
  std::string text = fmt::format("moesim {} ({}, {})\n", diagnosis.version, diagnosis.build_type,
                                 diagnosis.compiler);
  text += "\nLibraries\n";
  for (const auto& [name, version] : diagnosis.libraries) text += line(name, version);
  text += line("HDF5 filters", fmt::format("{}", fmt::join(diagnosis.hdf5_filters, ", ")));

  text += "\nConfigurations\n";
  text += line("folder", diagnosis.configs.value_or("not found: name each file by its path"));
  for (const auto& [folder, files] : diagnosis.config_files) {
    text += line(folder, fmt::format("{} file{}", files, files == 1 ? "" : "s"));
  }

  text += "\nGPU (for calibration only)\n";
  for (const Gpu& gpu : diagnosis.gpu.gpus) {
    text += line("device",
                 fmt::format("{}, compute capability {}, {}", gpu.name, gpu.capability,
                             gpu.memory_bytes == 0 ? "memory unknown"
                                                   : sim::to_text(sim::Bytes(gpu.memory_bytes))));
  }
  if (diagnosis.gpu.gpus.empty()) text += line("device", "none: " + diagnosis.gpu.why_none);
  if (diagnosis.gpu.driver) text += line("driver", *diagnosis.gpu.driver);
  if (diagnosis.gpu.cuda) text += line("driver's CUDA", *diagnosis.gpu.cuda);
  text += line("toolkit", diagnosis.gpu.toolkit.value_or("none: nvcc is not found"));
  text += line("moesim-gpu", diagnosis.gpu_program.value_or("not found"));
  text += line("cuBLASLt", diagnosis.cublaslt ? "found" : "not found: its yardsticks are skipped");
  const std::vector<std::string> lacks = calibration_lacks(diagnosis);
  text += line("calibration", lacks.empty() ? "ready: moesim calibrate run my-gpu" : "lacks");
  for (const std::string& lack : lacks) text += line("", lack);

  text += "\nReaders, each on a file of its own\n";
  for (const SelfCheck& check : diagnosis.checks) {
    text += line(check.name, check.ok ? "works" : "FAILS: " + check.message);
  }
  return text;
}

std::string to_json(const Diagnosis& diagnosis) {
  sim::io::Json json;
  json["version"] = diagnosis.version;
  json["compiler"] = diagnosis.compiler;
  json["build_type"] = diagnosis.build_type;
  for (const auto& [name, version] : diagnosis.libraries) json["libraries"][name] = version;
  json["hdf5_filters"] = diagnosis.hdf5_filters;
  json["configs"]["folder"] =
      diagnosis.configs ? sim::io::Json(*diagnosis.configs) : sim::io::Json();
  json["configs"]["files"] = sim::io::Json::object();
  for (const auto& [folder, files] : diagnosis.config_files)
    json["configs"]["files"][folder] = files;
  sim::io::Json& gpu = json["gpu"];
  const auto or_null = [](const std::optional<std::string>& text) {
    return text ? sim::io::Json(*text) : sim::io::Json();
  };
  gpu["devices"] = sim::io::Json::array();
  for (const Gpu& device : diagnosis.gpu.gpus) {
    gpu["devices"].push_back({{"name", device.name},
                              {"compute_capability", device.capability},
                              {"memory_bytes", device.memory_bytes}});
  }
  gpu["why_none"] =
      diagnosis.gpu.gpus.empty() ? sim::io::Json(diagnosis.gpu.why_none) : sim::io::Json();
  gpu["driver"] = or_null(diagnosis.gpu.driver);
  gpu["driver_cuda"] = or_null(diagnosis.gpu.cuda);
  gpu["nvcc"] = or_null(diagnosis.gpu.toolkit);
  gpu["moesim_gpu"] = or_null(diagnosis.gpu_program);
  gpu["cublaslt"] = diagnosis.cublaslt;
  gpu["calibration_lacks"] = calibration_lacks(diagnosis);
  json["readers"] = sim::io::Json::array();
  for (const SelfCheck& check : diagnosis.checks) {
    json["readers"].push_back({{"name", check.name}, {"ok", check.ok}, {"message", check.message}});
  }
  json["ok"] = diagnosis.ok();
  return sim::io::to_text(json);
}

Command doctor_command() {
  return {.name = "doctor",
          .summary = "says what this build and this machine have, and tries each reader",
          .description =
              "Versions of the libraries, where the configurations are, which GPUs the "
              "driver sees (none is fine: they are for calibration only), and one try "
              "of each reader and writer. Ends with 1 where something does not work.",
          .options = {format_option()},
          .examples = {"moesim doctor", "moesim doctor --format json"},
          .run = [](const Arguments& arguments, Console console) {
            const Diagnosis diagnosis = diagnose();
            console.out << (arguments.json() ? to_json(diagnosis) : to_text(diagnosis));
            return diagnosis.ok() ? sim::ExitCode::Ok : sim::ExitCode::Failed;
          }};
}

}  // namespace moesim::tools
