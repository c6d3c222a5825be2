// The routing inside a measured table: how many rows each local expert of the rank had that a
// benchmark measured. Public kernel tables (aiconfigurator) say "power_law_1.01" and a number of
// tokens; what the kernel saw are these counts.
//
//   balanced       token t takes experts (t + j s) mod E, j = 0 … K-1, s = ceil(E / K);
//                  with fewer than s tokens, (floor(t s / T) + j s) mod E. Rank 0 is measured.
//   power_law_a    every expert's load is drawn with density x^-a on [1, 0.8 T], or [0.01, 2] where
//                  T K <= E; scaled to T K in all, rounded, at most T each; what is too many or too
//                  few goes round the ranks in turn, onto the rank's least loaded expert or from
//                  its most loaded. The most loaded rank is measured.
//   …_eplb         the same loads on a number of slots, one an expert and more for the hottest
//   (whose
//                  rows its slots share); slots in descending order of load go to the least loaded
//                  rank that has room. The most loaded rank is measured.
//   uniform        T K / E rows for every expert, rounded so that all ranks have as many
//
// The generator's own random numbers are not known: a row of a table is one draw (or five) of many.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace moesim::workloads {

enum class TableLaw { Balanced, PowerLaw, Uniform };

struct TableRouting {
  std::int64_t tokens = 0;  // of all ranks
  std::int64_t experts = 1;
  std::int64_t top_k = 1;
  std::int64_t ranks = 1;  // that the experts are spread over, evenly and in order
  TableLaw law = TableLaw::Balanced;
  double alpha = 1;  // of PowerLaw
  bool eplb = false;
  std::int64_t slots = 0;  // of EPLB, of all ranks; 0: one an expert

  friend bool operator==(const TableRouting&, const TableRouting&) = default;
};

// Reads "balanced", "uniform", "power_law_1.01", "power_law_1.01_eplb" into law, alpha and eplb;
// false where it is none of them.
bool parse_table_law(std::string_view text, TableRouting& routing);

// Rows of each expert, of all ranks: [experts]. Adds up to tokens x top_k.
// REQUIRES: 1 <= top_k <= experts, ranks divides experts
std::vector<std::int64_t> table_loads(const TableRouting& routing, std::uint64_t draw);

// Rows of each local expert of the rank that the table's row is about: [experts / ranks], or of its
// slots: [slots / ranks]. REQUIRES: as above, ranks divides slots, experts <= slots
std::vector<std::int64_t> table_rows(const TableRouting& routing, std::uint64_t draw);

}  // namespace moesim::workloads
