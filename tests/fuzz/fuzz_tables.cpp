#include <cmath>

#include "hardware/device.h"
#include "sim/check.h"
#include "sim/io/csv.h"
#include "tests/fuzz/target.h"
#include "validation/compare/table_prediction.h"
#include "validation/serving/command_line.h"
#include "validation/serving/measured_tables.h"
#include "validation/serving/run_options.h"
#include "validation/tables/detect_kind.h"
#include "validation/tables/repeated_rows.h"

namespace moesim::fuzz {
namespace {

const hardware::Device& h100() {
  static const hardware::Device device = hardware::load_device("configs/devices/h100.yaml");
  return device;
}

// Times of kernels, which their columns tell the kind of, and what is predicted for them.
void kernels(std::string_view text) {
  const auto table = sim::io::CsvTable::parse(std::string(text), "t.csv");
  const std::string kind = validation::detect_kind(table);
  validation::repeated_rows_note(table);
  for (const auto& task : validation::predict_table(kind, table, h100(), ""))
    for (const hardware::Estimate& one : task.estimates)
      SIM_CHECK(std::isfinite(one.us) && one.us > 0, "a time is above zero");
}

}  // namespace

// The first byte says which measured table the rest is: of engines, of their options, of kernels;
// or how an engine was started. Devices are those that ship: run in the root of the source tree.
void tables(Input input) {
  if (input.empty()) return;
  const Input rest = input.subspan(1);
  switch (input[0] % 4) {
    case 0: {
      const InputFile file(rest);
      taken([&] { validation::read_measured({file.path()}); }, file.path().string());
      break;
    }
    case 1: {
      const InputFile file(rest);
      taken([&] { validation::OptionTable::read(file.path()); }, file.path().string());
      break;
    }
    case 2:
      validation::read_command(text_of(rest));
      break;
    default:
      taken([&] { kernels(text_of(rest)); }, "t.csv");
  }
}

}  // namespace moesim::fuzz
