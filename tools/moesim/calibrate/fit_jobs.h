// The tables that `moesim calibrate fit` is given: whose kernels they are of, and what they ask.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "hardware/device.h"
#include "sim/io/csv.h"
#include "tools/moesim/command.h"
#include "validation/tables/tables.h"

namespace moesim::tools {

struct FitSource {
  std::string implementation;  // empty: not said
  std::vector<std::string> files;

  std::string names() const;  // of its files, "a.csv+b.csv"
};

// "trtllm=gemm.csv", "gemm.csv", or "flash_attention_3=a.csv+b.csv".
FitSource parse_fit_source(const std::string& text);

// A table to fit on, and what it asks of which models.
struct FitJob {
  FitSource source;
  sim::io::CsvTable table;
  std::string kind, implementation;
  bool said = false;  // whose kernels, by the command or the table's name
  validation::Tasks tasks;
};

std::string title_of(const validation::Task& task);

// Tells `err` whose kernels a table was taken for, where its name alone says so. Throws InputError.
FitJob read_fit_job(const Arguments& arguments, const std::string& text,
                    const hardware::Device& device, std::ostream& err);

// That no fit takes another's place in silence: no two tables of this run are of the same kernels,
// and where nobody said whose a table is, the file has no fit of them from another table.
// Throws InputError.
void check_places(const std::vector<FitJob>& jobs, const std::vector<hardware::FittedModel>& there);

}  // namespace moesim::tools
