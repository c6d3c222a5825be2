// What tests of tables begin with.
#pragma once

#include <string>
#include <string_view>

#include "sim/error.h"
#include "validation/compare/table_report.h"

namespace moesim::testing {

inline const hardware::Device& h100() {
  static const hardware::Device device = hardware::load_device("configs/devices/h100.yaml");
  return device;
}

// What a table of H100 is refused with.
inline std::string error_of(std::string_view kind, const std::string& text) {
  try {
    (void)validation::report_on(kind, {sim::io::CsvTable::parse(text, "t.csv")}, h100(), "");
  } catch (const sim::Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace moesim::testing
