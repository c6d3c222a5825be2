#include "validation/tables/training_rows.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace moesim::validation {

std::string letters_of(std::string_view text) {
  std::string letters;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)))
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return letters;
}

namespace {

// "h100" of "H100 SXM" and of "h100_pcie".
std::string chip_of(std::string_view text) {
  return letters_of(text.substr(0, text.find_first_of(" _-")));
}

}  // namespace

void look_at_device(const TableReader& reader, std::size_t row, const hardware::Device& device) {
  if (!reader.has("device")) return;
  const std::string_view named = reader.text(row, "device");
  if (named.empty() || letters_of(device.name).starts_with(letters_of(named))) return;
  if (chip_of(named) != chip_of(device.name)) reader.set_apart(row, "device", "is another device");
  reader.guess(row, "device", device.name);
}

std::string_view first_of(const TableReader& reader, std::string_view a, std::string_view b) {
  return reader.has(a) ? a : b;
}

bool yes(const TableReader& reader, std::size_t row, std::string_view column, bool otherwise) {
  constexpr std::array<std::string_view, 3> kNo{"false", "no", "0"};
  constexpr std::array<std::string_view, 5> kYes{"true", "yes", "1", "fp32", "bf16"};
  if (!reader.has(column)) return otherwise;
  const std::string text = letters_of(reader.text(row, column));
  if (text.empty()) return otherwise;
  if (std::ranges::find(kNo, text) != kNo.end()) return false;
  if (std::ranges::find(kYes, text) == kYes.end())
    reader.fail(row, column,
                column == "accumulate" ? "fp32, bf16, True, False or no" : "True or False");
  return true;
}

bool is_attention(const TableReader& reader, std::size_t row, bool otherwise) {
  return reader.has("kind") ? reader.text(row, "kind") == "attention" : otherwise;
}

std::string implementation_of(const TableReader& reader, std::size_t row, const std::string& impl) {
  if (!reader.has("implementation") || reader.text(row, "implementation").empty()) return impl;
  return std::string(reader.text(row, "implementation"));
}

}  // namespace moesim::validation
