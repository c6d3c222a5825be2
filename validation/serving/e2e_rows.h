// Measured TTFT, TPOT and throughput of whole engines: rows of a table, and which of them are set
// apart, and why. Those of aiconfigurator's silicon samples are under a closed loop that no column
// has; other tables (lab_rows.h, ratio_rows.h, stage_rows.h, sweep_rows.h) say what was sent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "validation/serving/measured_load.h"
#include "workloads/placement/parallelism.h"

namespace moesim::validation {

// Engines that are alike: those that read prompts, where they are apart.
struct E2ePool {
  std::int64_t workers = 1;
  workloads::Parallelism layout = {};

  std::int64_t gpus() const { return workers * layout.gpus(); }
};

// What the engines of both kinds were started with.
struct ApartRun {
  RunOptions reads = {}, generates = {};
  std::int64_t sets = 0;  // that fit and differ; these are the first in force
};

struct E2eRow {
  std::string name, engine, version, model, system, precision, mode;
  std::int64_t isl = 0, osl = 0, concurrency = 0;
  workloads::Parallelism layout = {};  // of an engine that generates
  std::int64_t workers = 1;            // so many of them
  std::optional<E2ePool> prefill = {};
  std::int64_t label_ep = 1;        // expert parallelism as the row is labelled
  double ttft_ms = 0, tpot_ms = 0;  // means; 0: not measured
  double throughput = 0;            // output tokens a second, of the whole run; 0: not measured
  std::optional<MeasuredLoad> load = {};
  std::optional<ApartRun> apart = {};  // where a recipe says it (pool_recipes.h)
  bool cold = false;                   // measured without a warm-up: its TTFT says nothing
  bool saturated = false;              // near the deployment's largest output rate

  std::int64_t gpus() const { return workers * layout.gpus() + (prefill ? prefill->gpus() : 0); }
  // InferenceX sweeps 1,024 and 8,192 tokens; other lengths are of aiconfigurator's own runs.
  bool swept() const { return (isl == 1024 || isl == 8192) && (osl == 1024 || osl == 8192); }
  // Rows that differ in nothing but lengths, concurrency and what was measured.
  std::string deployment() const;
  std::string group() const;  // engine, model, system, format; apart or not
};

struct SkippedRows {
  std::string reason;
  std::int64_t n = 0;
};

// Whose prompts are read by engines of their own, how many is not said; what the labels of a worker
// have, 1 where nothing.
struct UnsaidRow {
  E2eRow row;
  std::int64_t reads_gpus = 1, reads_ep = 1, generates_gpus = 1;
};

struct E2eRows {
  std::vector<E2eRow> rows;
  std::vector<SkippedRows> skipped;
  std::vector<UnsaidRow> unsaid = {};   // counted in `skipped` as long as they are here
  std::vector<SkippedRows> taken = {};  // where workers apart are from, and how many rows
};

// Throws InputError "t.csv:7: …". Where prompts are read apart (mode "disagg") and a row does not
// say by how many engines, or has none of their sizes, it is skipped, with that reason.
E2eRows read_e2e(const std::vector<std::filesystem::path>& files);

// Sets `saturated` of each: a row within 20 % of the largest output rate among its deployment's of
// these lengths, where three concurrencies or more were measured.
void mark_saturated(std::vector<E2eRow>& rows);

}  // namespace moesim::validation
