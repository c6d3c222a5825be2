// A calibration: a folder with everything that one card was asked and answered, and the device that
// comes of it. Each step takes up what is there already, so that what was cut off goes on.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hardware/device.h"
#include "tools/moesim/command.h"
#include "validation/calibrate/points_summary.h"
#include "validation/calibrate/power_fit.h"
#include "validation/statistics.h"

namespace moesim::tools {

struct CalibrationRequest {
  std::string name;               // of the new device
  std::filesystem::path folder;   // where the calibration lies
  std::filesystem::path program;  // moesim-gpu
  std::optional<std::string>
      base;         // the device that ships; found by the card's name where not given
  int minutes = 8;  // 3, 8 or 20
  bool power = false;
};

// How far predictions of one implementation are off on points that nothing was fitted on.
struct JudgedFit {
  std::string table_kind, kind;  // "points", of the model "moe"
  std::string implementation, variant;
  std::int64_t points = 0;          // fitted on
  validation::ErrorSummary unseen;  // shapes
  validation::ErrorSummary model;   // of the model that was held out
};

struct SelftestFound {
  std::int64_t passed = 0, failed = 0, skipped = 0;
  std::string without;                // kernels that hung or went wrong twice: "permute,sort"
  std::vector<std::string> failures;  // "permute (check 14): …"
};

struct Change {  // against the device that ships
  std::string what, before, now;
};

struct Calibration {
  CalibrationRequest request;
  std::string plan_text;
  std::int64_t planned = 0;  // points, both passes counted
  SelftestFound selftest;
  bool cut_short = false;
  validation::PointsSummary points;
  std::string card;       // "NVIDIA H100 80GB HBM3"
  std::string base_name;  // "h100"
  hardware::Device base;
  std::vector<JudgedFit> fits;
  std::vector<std::string> not_fitted;        // "moesim_fp8: 3 points are too few"
  std::vector<std::string> left_out;          // points, with the reason
  std::optional<validation::PowerFit> power;  // where loads for it were measured
  std::vector<Change> changes;
  std::filesystem::path device_file;
  std::vector<std::string> clusters;  // by name
};

// Nobody else calibrates into the folder while it lives.
class FolderLock {
 public:
  // Makes the folder where there is none. Throws ConfigError where another has it, or where it
  // cannot be made.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

// Asks moesim-gpu which card there is, and finds the device that ships for it. The exit code that
// the calibration ends with; empty: it goes on. Throws ConfigError where the card is none that a
// device is known for.
std::optional<sim::ExitCode> find_card(Calibration& calibration, Console console);
// Where the device will go. Throws ConfigError where that cannot be, before anything is measured.
void make_own_folders();
// Throws ConfigError where the folder holds another calibration.
void write_plan(Calibration& calibration);
// The exit code that the calibration ends with; empty: it goes on. Throws ConfigError where the
// folder holds points of another card.
std::optional<sim::ExitCode> measure(Calibration& calibration, Console console);
// Points -> fits, judged -> the device among the user's own. Throws InputError where no point is
// left to fit on, ConfigError where the card is none that a device is known for.
void make_device(Calibration& calibration);

std::string calibration_text(const Calibration& calibration);
std::string calibration_json(const Calibration& calibration);

}  // namespace moesim::tools
