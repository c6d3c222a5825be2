// How many engines of measured runs read prompts and how many generated, where a table's rows do
// not say it and the recipes of the runs do; and what both were started with.
//
// A recipe fits a row of the same engine, version, model, system, format, lengths and clients (a
// row without a version: any recipe of the time before versions are named, and any later one's
// sizes) whose label has as many GPUs for a reader and for a generator (or as many in all), or
// none. Of a worker a recipe has GPUs, expert parallelism and attention dp, which is over all of
// them; what it starts counts before what the sweep is labelled. Where nothing but a list of sweeps
// is left, which labels all workers alike, layouts are those of workers as large in other versions'
// recipes.
//
// Taken are, where all that fits agrees, its workers. Where recipes that fit besides draft tokens,
// which no column of the rows has, with no fewer workers that generate, the slower of two rows is
// that of the recipe without: drafting gives more tokens a pass. Rows stay apart where only recipes
// that draft fit, where several divisions of workers do, or where nothing tells a row that drafts
// from one that does not.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "validation/serving/e2e_rows.h"

namespace moesim::validation {

struct PoolRecipe {
  std::string engine, version, model, system, precision, isl, osl, least, most, from;
  E2ePool reads, generates;
  bool sized = true;    // else only the numbers of workers count
  bool drafts = false;  // guesses tokens and checks them
  bool listed = false;  // in a list of sweeps alone, which has "1" for sizes that it does not have
  // Labels of the sweep: of a worker that reads.
  std::int64_t label_ep = 1;
  std::string tokens, sequences, chunk, cache, memory, graphs, balance, moe;

  ApartRun run(const E2eRow& row) const;
};

// Rows of mode "disagg" of a table of options; none where it has no such columns.
std::vector<PoolRecipe> read_pool_recipes(const std::filesystem::path& file);

// Moves those of `unsaid` whose workers are known to the rows, counts the others in `skipped` by
// reason, and gives rows with workers and layouts of their own the options of their recipe. What
// was taken is counted in `taken`.
void settle_pools(E2eRows& rows, const std::vector<PoolRecipe>& recipes);

}  // namespace moesim::validation
