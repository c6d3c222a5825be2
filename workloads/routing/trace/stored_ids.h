// What a number in /expert_ids means: an expert, a missing selection, or damage.
//
// The missing mark is -1; in an unsigned type, which has no -1, it is the type's largest number,
// whatever the number of experts. So 255 in one unsigned byte is always missing, even where there
// are 256 experts (such a file cannot name the last one), and 255 in two signed bytes is an expert.
// Every other number outside [0, experts) is damage.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/io/hdf5_file.h"

namespace moesim::workloads {

// The missing mark of a dataset of whole numbers: "-1", "255".
std::string missing_mark(const sim::io::Hdf5Dataset& ids);
// Whether the mark is an expert's number, too: that expert cannot be told from a missing one.
bool mark_is_an_expert(const sim::io::Hdf5Dataset& ids, std::uint32_t experts);

// A number that is neither an expert nor the mark.
struct StrayId {
  std::size_t index = 0;  // of the numbers that were read
  std::string number;
};

// Rows [first, first + count): experts, and -1 where missing. Gives the first stray, where there is
// one; `out` is then of no use. Throws InputError where the file is damaged.
// REQUIRES: whole numbers, 0 < experts <= kMostExperts, the rows lie inside the dataset
std::optional<StrayId> read_stored_ids(const sim::io::Hdf5Dataset& ids, std::uint32_t experts,
                                       std::uint64_t first, std::uint64_t count,
                                       std::vector<std::int32_t>& out);

// The same rows in a type of one or two bytes, its largest number where missing, straight from the
// file where they lie so that this is quick. False, and `out` of no use, elsewhere: where numbers
// lie in another way, one is a stray, or one is missing and the type has no number left to say so
// (one byte, 256 experts). REQUIRES: experts <= 256, or 65,535
bool read_narrow_ids(const sim::io::Hdf5Dataset& ids, std::uint32_t experts, std::uint64_t first,
                     std::uint64_t count, std::vector<std::uint8_t>& out);
bool read_narrow_ids(const sim::io::Hdf5Dataset& ids, std::uint32_t experts, std::uint64_t first,
                     std::uint64_t count, std::vector<std::uint16_t>& out);

}  // namespace moesim::workloads
