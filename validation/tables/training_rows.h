// What tables of training's kernels have in common: the words of a row.
#pragma once

#include <string>
#include <string_view>

#include "hardware/device.h"
#include "validation/tables/table_reader.h"

namespace moesim::validation {

// "H100 SXM" and "h100_sxm" are one card: letters and digits alone, small.
std::string letters_of(std::string_view text);

// Rows of other chips than the device's are set apart; of another card with the same chip a row is
// priced for the one that was asked for, and says so. Within TableReader::for_each_row.
void look_at_device(const TableReader& reader, std::size_t row, const hardware::Device& device);

// The first of two columns that the table has.
std::string_view first_of(const TableReader& reader, std::string_view a, std::string_view b);

// A word for yes or no; a gradient's sum may be named by its format. Throws InputError.
bool yes(const TableReader& reader, std::size_t row, std::string_view column, bool otherwise);

// Tables of several kinds of kernels say which a row is of.
bool is_attention(const TableReader& reader, std::size_t row, bool otherwise);

// The row's own, or that of the whole table.
std::string implementation_of(const TableReader& reader, std::size_t row, const std::string& impl);

}  // namespace moesim::validation
