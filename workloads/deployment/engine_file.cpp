#include "workloads/deployment/engine_file.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <system_error>

namespace moesim::workloads {
namespace {

namespace fs = std::filesystem;

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// A number or a word of a version, or its end. They are ordered as declared: "rc" is before the
// end, "post" and numbers are after it.
struct Part {
  enum class Kind { Before, End, After, Number } kind = Kind::End;
  std::string text = {};  // a number without leading zeros

  bool operator<(const Part& other) const {
    if (kind != other.kind) return kind < other.kind;
    if (kind == Kind::Number && text.size() != other.text.size()) {
      return text.size() < other.text.size();
    }
    return text < other.text;
  }
};

// The next part of `text`, which moves on behind it.
Part take_part(std::string_view& text) {
  const auto take_while = [&](bool (*of)(char)) {
    const auto end = std::find_if_not(text.begin(), text.end(), of);
    const auto size = static_cast<std::size_t>(end - text.begin());
    std::string taken(text.substr(0, size));
    text.remove_prefix(size);
    return taken;
  };
  while (!text.empty() && !is_digit(text.front()) && !is_letter(text.front())) {
    text.remove_prefix(1);
  }
  if (text.empty()) return {};
  if (is_digit(text.front())) {
    std::string digits = take_while(is_digit);
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
    return {Part::Kind::Number, std::move(digits)};
  }
  std::string word = lower(take_while(is_letter));
  const bool after = word == "post";
  return {after ? Part::Kind::After : Part::Kind::Before, std::move(word)};
}

// Where the version of "vllm-0.19" begins: behind the first '-' that a digit follows. npos: none.
std::size_t version_at(std::string_view stem) {
  for (std::size_t i = 1; i + 1 < stem.size(); ++i) {
    if (stem[i] == '-' && is_digit(stem[i + 1])) return i + 1;
  }
  return std::string_view::npos;
}

// In the order of the alphabet, so that the same folder gives the same answer anywhere.
std::vector<std::string> stems_in(const fs::path& folder) {
  std::vector<std::string> stems;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".yaml") stems.push_back(entry.path().stem().string());
  }
  std::sort(stems.begin(), stems.end());
  return stems;
}

}  // namespace

bool is_older(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    const Part left = take_part(a), right = take_part(b);
    if (left < right) return true;
    if (right < left) return false;
  }
  return false;
}

EngineFile find_engine(const fs::path& folder, std::string_view name) {
  const std::vector<std::string> stems = stems_in(folder);
  const std::string wanted = lower(name);
  const std::string* newest = nullptr;
  for (const std::string& stem : stems) {
    if (lower(stem) == wanted) return {.file = folder / (stem + ".yaml")};
    const std::size_t version = version_at(stem);
    if (version == std::string::npos || lower(stem.substr(0, version - 1)) != wanted) continue;
    if (newest == nullptr || is_older(newest->substr(version), stem.substr(version))) {
      newest = &stem;
    }
  }
  if (newest == nullptr) return {};
  return {.file = folder / (*newest + ".yaml"), .newest = true};
}

std::vector<std::string> engine_names(const fs::path& folder) {
  std::set<std::string> names;
  for (const std::string& stem : stems_in(folder)) {
    names.insert(stem);
    const std::size_t version = version_at(stem);
    if (version != std::string::npos) names.insert(stem.substr(0, version - 1));
  }
  return {names.begin(), names.end()};
}

}  // namespace moesim::workloads
