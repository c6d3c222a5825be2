// Measured tables as tasks: which columns a kind has, what one of its rows asks of which model.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/device.h"
#include "sim/io/csv.h"
#include "validation/calibrate/task.h"
#include "validation/tables/table_reader.h"

namespace moesim::validation {

// "gemm", "moe", "wideep_moe", "nccl", …
std::span<const std::string_view> table_kinds();

// What a kind predicts for a row: "latency_us" -> "predicted_us"; DeepEP's tables have two.
struct TimeColumn {
  std::string_view part;       // "", "dispatch", "combine": as in a variant "dispatch"
  std::string_view predicted;  // "predicted_us"
};
std::span<const TimeColumn> time_columns(std::string_view kind);
// The implementation where a table or a command names none.
std::string_view default_implementation(std::string_view kind);

// Whose kernels a table of that kind is of by its file's name: the last word of it that names an
// engine, "gemm_h100_sglang.csv.gz" -> "sglang"; SGLang's experts after a dispatch are DeepGEMM's.
// Empty where the name has none, or the kind has one implementation anyway.
std::string named_implementation(std::string_view kind, std::string_view file);

// The rows of a table, apart by implementation and variant. Words that are not known are read as
// the nearest that are (table_reader.h): their items say so. Throws ConfigError for a kind that
// there is not, InputError "t.csv:7: m: expected …" for a value that cannot be.
struct Tasks : std::vector<std::unique_ptr<Task>> {
  std::vector<RowApart> apart;  // rows of none, since nothing is near a word of theirs
};
Tasks read_tasks(std::string_view kind, const sim::io::CsvTable& table,
                 const hardware::Device& device, const std::string& implementation);

}  // namespace moesim::validation
