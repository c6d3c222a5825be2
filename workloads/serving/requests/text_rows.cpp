#include "workloads/serving/requests/text_rows.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <set>

#include "sim/error.h"
#include "sim/io/message.h"
#include "sim/io/yaml_reader.h"

namespace moesim::workloads::serving {
namespace {

constexpr std::size_t kMostLine = std::size_t{1} << 22;  // a line that is no line ends the reading
constexpr std::size_t kMostSkipped = std::size_t{16} << 20;

void split(std::string_view line, std::vector<std::string_view>& values) {
  values.clear();
  for (;;) {
    const std::size_t comma = line.find(',');
    std::string_view value = line.substr(0, comma);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    values.push_back(value);
    if (comma == std::string_view::npos) return;
    line.remove_prefix(comma + 1);
  }
}

template <typename Number>
std::optional<Number> parse(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

}  // namespace

TextRows::TextRows(const std::filesystem::path& file)
    : name_(file.generic_string()), stream_(file) {}

// As std::getline does, which would go on to a line's end wherever that is.
bool TextRows::next_line() {
  line_.clear();
  std::streambuf& bytes = *stream_.rdbuf();
  for (auto c = bytes.sbumpc(); c != std::char_traits<char>::eof(); c = bytes.sbumpc()) {
    if (c == '\n') return true;
    line_.push_back(static_cast<char>(c));
    if (line_.size() <= kMostLine) continue;
    ++number_;
    fail(fmt::format("a line of over {} bytes", kMostLine));
  }
  return !line_.empty();
}

bool TextRows::next() {
  std::size_t skipped = 0;
  while (next_line()) {
    ++number_;
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    if (number_ == 1 && line_.starts_with("\xEF\xBB\xBF")) line_.erase(0, 3);
    if (!line_.empty() && line_.front() != '#') return true;
    skipped += line_.size() + 1;
    if (skipped > kMostSkipped)
      fail(fmt::format("over {} MiB of empty lines and comments", kMostSkipped >> 20));
  }
  return false;
}

std::string TextRows::where() const {
  return fmt::format("{}:{}", name_, number_);
}

void TextRows::fail(const std::string& what) const {
  throw sim::InputError(where() + ": " + what);
}

CsvRows::CsvRows(const std::filesystem::path& file) : rows_(file) {
  if (!rows_.next()) {
    throw sim::InputError(file.generic_string() + ": is empty: expected a line of columns");
  }
  split(rows_.line(), values_);
  columns_.assign(values_.begin(), values_.end());
  const std::set<std::string_view> different(values_.begin(), values_.end());
  if (different.size() == values_.size()) return;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (!columns_[i].empty() && *find(columns_[i]) != i)
      rows_.fail(fmt::format("column {} is named twice", sim::io::quote(columns_[i])));
  }
}

bool CsvRows::next() {
  if (!rows_.next()) return false;
  split(rows_.line(), values_);
  if (values_.size() != columns_.size()) {
    rows_.fail(fmt::format("{} values, but {} columns", values_.size(), columns_.size()));
  }
  return true;
}

std::optional<std::size_t> CsvRows::find(std::string_view column) const {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i] == column) return i;
  }
  return {};
}

std::size_t CsvRows::column(std::string_view name,
                            std::initializer_list<std::string_view> others) const {
  if (const auto found = find(name)) return *found;
  for (const std::string_view other : others) {
    if (find(other)) {
      rows_.fail(fmt::format("column \"{}\" is missing: name \"{}\" so", name, other));
    }
  }
  std::vector<std::string_view> known(columns_.begin(), columns_.end());
  const std::string near = sim::io::did_you_mean(name, known);
  rows_.fail(fmt::format("column \"{}\" is missing; the columns are {}{}", name,
                         fmt::join(columns_, ", "),
                         near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near)));
}

void CsvRows::expected(std::size_t column, std::string_view what) const {
  rows_.fail(fmt::format("{}: expected {}, not \"{}\"", columns_[column], what, values_[column]));
}

double CsvRows::number(std::size_t column) const {
  const auto value = parse<double>(values_[column]);
  if (!value || !std::isfinite(*value)) expected(column, "a number");
  return *value;
}

std::int64_t CsvRows::integer(std::size_t column) const {
  const auto value = parse<std::int64_t>(values_[column]);
  if (!value) expected(column, "a whole number");
  return *value;
}

std::int64_t CsvRows::tokens(std::size_t column) const {
  const auto value = parse<double>(values_[column]);  // some write 374.0
  if (!value || !(*value >= 0) || *value > 0x1p31 || *value != std::floor(*value)) {
    expected(column, "a number of tokens");
  }
  return static_cast<std::int64_t>(*value);
}

}  // namespace moesim::workloads::serving
