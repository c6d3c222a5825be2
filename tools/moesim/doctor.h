// What `moesim doctor` finds out about this machine and this build, as a plain value.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/moesim/command.h"
#include "tools/moesim/gpu_probe.h"

namespace moesim::tools {

// One thing that was tried: a reader on a small file of its own.
struct SelfCheck {
  std::string name;
  bool ok = false;
  std::string message;  // what went wrong
};

struct Diagnosis {
  std::string version;
  std::string compiler;
  std::string build_type;
  std::vector<std::pair<std::string, std::string>> libraries;
  std::vector<std::string> hdf5_filters;
  std::optional<std::string> configs;                     // the folder
  std::vector<std::pair<std::string, int>> config_files;  // per subfolder: "devices", 7
  GpuProbe gpu;
  std::optional<std::string> gpu_program;  // moesim-gpu's file
  bool cublaslt = false;                   // the yardstick of a calibration is there
  std::vector<SelfCheck> checks;

  bool ok() const;  // every check passed, and the configurations are there
};

// What `moesim calibrate run` lacks on this machine, one line each, with what would do; empty:
// nothing.
std::vector<std::string> calibration_lacks(const Diagnosis& diagnosis);

Diagnosis diagnose();
std::string to_text(const Diagnosis& diagnosis);
std::string to_json(const Diagnosis& diagnosis);

Command doctor_command();

}  // namespace moesim::tools
