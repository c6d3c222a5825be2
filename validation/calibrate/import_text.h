// Pieces that the importers of other tools' logs share.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/error.h"

namespace moesim::validation {

inline std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Whether the file ends within a line of it: what stands last may be the beginning of a number.
inline bool ends_within(std::string_view text, std::string_view line) {
  return line.data() + line.size() == text.data() + text.size();
}

inline std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  std::size_t at = 0;
  while ((at = line.find_first_not_of(" \t\r", at)) != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

// A number that is finite.
inline std::optional<double> number(std::string_view word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size() || !std::isfinite(value)) return {};
  return value;
}

// The number right after a piece of text; nothing where it is not there.
inline std::optional<double> number_after(std::string_view line, std::string_view before) {
  const std::size_t at = line.find(before);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = line.substr(at + before.size());
  double value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc{} || !std::isfinite(value)) return {};
  return value;
}

// A number as it is printed: half of its last digit is what it may be off by.
struct Rounded {
  double value = 0, half = 0;
};

inline std::optional<Rounded> rounded(std::string_view word) {
  const auto value = number(word);
  if (!value) return {};
  if (word.find_first_of("eE") != std::string_view::npos) return Rounded{*value, std::abs(*value)};
  const std::size_t point = std::min(word.find('.'), word.size() - 1);
  return Rounded{*value, 0.5 * std::pow(10, -static_cast<double>(word.size() - 1 - point))};
}

// Whether a number can be a size: whole, and no more than a petabyte.
inline bool is_size(double bytes) {
  return bytes >= 0 && bytes <= 1e15 && bytes == std::floor(bytes);
}

[[noreturn]] inline void fail(const std::string& name, std::size_t line, const std::string& what) {
  throw sim::InputError(fmt::format("{}:{}: {}", name, line + 1, what));
}

// Notes of what an importer left out, and what looks odd; null: nobody reads them.
using ImportNotes = std::vector<std::string>*;
constexpr std::size_t kMostNotes = 1000;

inline void note(ImportNotes notes, const std::string& name, std::size_t line,
                 const std::string& what) {
  if (notes != nullptr && notes->size() < kMostNotes) {
    notes->push_back(fmt::format("{}:{}: {}", name, line + 1, what));
  }
}

// Of a line within which the file ends.
constexpr const char* kCut = "left out: the file ends within it";

// Of the whole file: said once, however many runs it is true of.
inline void note_once(ImportNotes notes, const std::string& what) {
  if (notes == nullptr || notes->size() >= kMostNotes) return;
  if (std::ranges::find(*notes, what) == notes->end()) notes->push_back(what);
}

}  // namespace moesim::validation
