// Measured TTFT and TPOT of whole engines under a closed loop: rows of a table with the columns of
// aiconfigurator's silicon samples, and which of them are set apart, and why.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "workloads/placement/parallelism.h"

namespace moesim::validation {

struct E2eRow {
  std::string name, engine, version, model, system, precision, mode;
  std::int64_t isl = 0, osl = 0, concurrency = 0;
  workloads::Parallelism layout = {};
  std::int64_t label_ep = 1;  // expert parallelism as the row is labelled
  double ttft_ms = 0, tpot_ms = 0;
  bool cold = false;       // measured without a warm-up: its TTFT says nothing
  bool saturated = false;  // near the deployment's largest output rate

  // Rows that differ in nothing but lengths, concurrency and what was measured.
  std::string deployment() const;
  std::string group() const;  // engine, model, system, format
};

struct SkippedRows {
  std::string reason;
  std::int64_t n = 0;
};

struct E2eRows {
  std::vector<E2eRow> rows;
  std::vector<SkippedRows> skipped;
};

// Throws InputError "t.csv:7: …". Rows of prefill and decode apart are skipped, with that reason.
E2eRows read_e2e(const std::vector<std::filesystem::path>& files);

}  // namespace moesim::validation
