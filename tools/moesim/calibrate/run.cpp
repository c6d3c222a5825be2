#include <ostream>

#include "sim/error.h"
#include "sim/io/atomic_file.h"
#include "tools/moesim/calibrate/calibrate_commands.h"
#include "tools/moesim/calibrate/calibration.h"
#include "tools/moesim/config_folder.h"

namespace moesim::tools {
namespace {

// A name that can be a file's, and is none that ships.
std::string own_name(const std::string& name) {
  constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyz0123456789-_";
  if (name.empty() || name.find_first_not_of(kLetters) != std::string::npos) {
    throw sim::ConfigError(
        "NAME: expected small letters, digits, - and _, such as my-h100, not \"" + name + "\"");
  }
  std::error_code error;
  const auto ships = config_folder();
  if (ships && std::filesystem::exists(*ships / "devices" / (name + ".yaml"), error)) {
    throw sim::ConfigError("NAME: a device \"" + name + "\" ships already: call yours my-" + name);
  }
  return name;
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  Calibration calibration;
  CalibrationRequest& request = calibration.request;
  request.name = own_name(arguments.text("NAME"));
  request.folder = arguments.find("output").value_or(request.name);
  request.base = arguments.find("base");
  request.minutes = static_cast<int>(arguments.integer("minutes", 3, 20));
  request.power = arguments.has("power");
  const auto program = find_gpu_program(arguments.find("program"));
  if (!program) {
    console.err
        << "SKIPPED: no moesim-gpu beside this program or on the PATH; it is built where the "
           "CUDA toolkit is (validation/cuda/README.md), and runs where a GPU is\n";
    return sim::ExitCode::Skipped;
  }
  request.program = *program;
  if (const auto end = find_card(calibration, console)) return *end;
  make_own_folders();
  const FolderLock lock(request.folder);
  write_plan(calibration);
  if (const auto end = measure(calibration, console)) return *end;
  console.err << "fitting\n" << std::flush;
  make_device(calibration);
  const std::string text = calibration_text(calibration), json = calibration_json(calibration);
  sim::io::write_file(request.folder / "summary.txt", text);
  sim::io::write_file(request.folder / "summary.json", json);
  console.out << (arguments.json() ? json : text);
  return calibration.cut_short ? sim::ExitCode::Partial : sim::ExitCode::Ok;
}

}  // namespace

Command calibrate_run_command() {
  return {
      .name = "calibrate run",
      .summary = "measures this machine's GPU and makes a device of it, in minutes",
      .description =
          "Plans, checks each kernel against a double-precision reference, measures, fits, judges "
          "the fits on shapes and a model that they have not seen, and writes a device file, which "
          "is known by its name from then on (--set cluster=NAME-1x8). What was measured lies in a "
          "folder; a run that was cut off goes on where it was when it is started again. No "
          "setting "
          "of the card is touched. Ends with 77 where there is no GPU or no moesim-gpu, with 5 "
          "where the time did not suffice for all points: the device is then made of those there "
          "are.",
      .options = {{.name = "NAME",
                   .help = "what to call the device, such as my-h100",
                   .required = true},
                  {.name = "--minutes",
                   .value = "N",
                   .help = "how long it may take on the GPU",
                   .fallback = "8",
                   .choices = {"3", "8", "20"}},
                  {.name = "--power", .help = "loads of three seconds too, for watts"},
                  {.name = "--base",
                   .value = "DEVICE",
                   .help = "the device whose datasheet and other fits it takes over; that of the "
                           "card's name where it is not given",
                   .is_file = true},
                  {.name = "--program",
                   .value = "FILE",
                   .help = "moesim-gpu, where it is not beside this program or on the PATH",
                   .is_file = true},
                  {.name = "-o,--output",
                   .value = "FOLDER",
                   .help = "for plan, points, log and summary; NAME where it is not given",
                   .is_file = true,
                   .is_output = true},
                  format_option()},
      .examples = {"moesim calibrate run my-h100",
                   "moesim calibrate run my-h100 --minutes 3 --power",
                   "moesim run mixtral-8x7b-decode-h100 --set cluster=my-h100-1x8"},
      .run = run};
}

std::vector<Command> calibrate_commands() {
  return {calibrate_plan_command(), calibrate_run_command(), calibrate_import_command()};
}

}  // namespace moesim::tools
