// What measured runs were started with: rows of a table of options by engine, version, model,
// system, format, lengths, layout and concurrency (README of the data). A cell is a value, several
// ("4|8"), all ("*"), or empty: the engine's own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "validation/serving/e2e_rows.h"

namespace moesim::validation {

class OptionTable {
 public:
  // Throws InputError: a column that is missing, a formula that is none.
  static OptionTable read(const std::filesystem::path& file);

  struct Found {
    RunOptions options = {};
    // That differ. A row with its version is taken to be of when that was first swept, one without
    // of just before versions are named: of the first, or the last, in force. 0: none fits; they
    // are the engine's own then, or of TensorRT-LLM outside the table's sweeps, assumed.
    std::int64_t sets = 0;
    bool assumed = false;
  };
  // Rows without a version were measured before 2026-01-21; of those options all versions count.
  Found of(const E2eRow& row) const;

  // Whether a recipe that drafts tokens covers the row. None of these is among those of `of`.
  bool may_draft(const E2eRow& row) const;

 private:
  struct Line {
    std::string where;
    std::string engine, version, model, system, precision, isl, osl, tp, ep, dp, least, most, from,
        tokens, sequences, chunk, cache, memory, receive, wait, share, balance, moe;
    std::optional<bool> expert_parallel;
  };
  static RunOptions options_of(const Line& line, const E2eRow& row);
  static bool covers(const Line& line, const E2eRow& row);

  std::vector<Line> lines_, drafting_;
};

}  // namespace moesim::validation
