// Finds the best engines among many without measuring all of them: branch and bound.
//
// Four numbers tell how much an engine carries, each dearer than the one before: a ceiling that is
// proved (floor.h), an estimate from a few steps of a part of the layers, one of all of them
// (estimate.h), and what a service of it carries.
// An engine is left out where even its ceiling would not make it the best answer to any question:
// that is a proof. It is also left out where its estimate would not, were that off by the margin
// to the better side. A part's estimate is taken to be off by a margin of its own beside, which
// grows likewise: whatever could come before another is estimated on all layers first, so that who
// is measured follows from those alone. Estimates are first scaled by the middle ratio of what was
// measured to what was estimated, of engines of its group (one kind of GPU), since what an estimate
// leaves out it leaves out of all. Where one that was measured is off by more than the margin, the
// margin is made half as large again and the search goes on, at last over all of them.
//
// Until an engine is estimated its GPUs are taken to draw what those that wait do: no less is
// possible. A function of values: it knows no scenario. Ties go to the lower index.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "tools/study/plan/offer.h"
#include "validation/confidence.h"

namespace moesim::tools {

struct SearchItem {
  EngineTerms terms = {};
  double ceiling = 0;  // its capacity is at most this
  std::size_t group = 0;
};

// What an engine is estimated to carry, and the watts of a GPU of it that works (0: not known).
struct SearchEstimate {
  double capacity = 0, busy_w = 0;
};

struct SearchOptions {
  double margin = 0.12;
  double part_margin = 0.12;  // of a part's estimate to that of all layers
  std::size_t finalists = 5;  // measured at least
  std::size_t keep = 0;       // estimated on all layers at least
  std::size_t chunk = 64;     // estimated before the best of them is measured
  double structure = validation::kServingStructure;
  bool exhaustive = false;  // measures all
};

// What became of an engine.
enum class Fate {
  Dominated,  // by its ceiling: proved
  Margin,     // by its estimate and the margin
  Measured,
};

struct SearchedItem {
  Fate fate = Fate::Dominated;
  std::optional<double> part = {}, estimate = {};  // by a part of the layers, by all
  double expected = 0;  // its capacity by these, scaled as its group's were found to be
  std::optional<validation::EngineCapacity> capacity = {};  // of one engine
  bool estimated() const { return part || estimate; }
};

struct SearchResult {
  std::vector<SearchedItem> items;
  std::vector<std::optional<std::size_t>> best;  // of each question
  double margin_used = 0,
         largest_error = 0;  // |ln| of measured over scaled estimate, as a part
  std::size_t estimated = 0, on_all_layers = 0, measured = 0;
};

// What an engine is asked; each at most once of an item.
struct SearchNumbers {
  // May be none. Nothing where a part does not tell, and all layers are asked; 0 is believed.
  std::function<std::optional<double>(std::size_t)> part = {};
  std::function<SearchEstimate(std::size_t)> estimate;
  std::function<validation::EngineCapacity(std::size_t)> measure;
};

// `questions`: an engine matters that may be the best answer to one of them.
SearchResult search(const std::vector<SearchItem>& items, const std::vector<Demand>& questions,
                    const SearchNumbers& numbers, const SearchOptions& options);

}  // namespace moesim::tools
