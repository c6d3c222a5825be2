#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_set>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "sim/io/message.h"

namespace moesim::sim::io {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Of a table, and as many again for its lines: eight bytes each, thrice that as they grow.
constexpr std::size_t kMostValues = std::size_t{1} << 25;
constexpr std::size_t kMostInALine = std::size_t{1} << 20;

// Walks over the records of a text in place: the unquoted values are written over the text itself,
// which is never longer than what was read.
class Records {
 public:
  Records(std::string& text, const std::string& name) : text_(text), name_(name) {
    if (text_.starts_with("\xEF\xBB\xBF")) read_ = 3;
  }

  // The line on which the record starts that next() gave last.
  std::size_t line() const { return record_line_; }
  std::size_t written() const { return write_; }

  // Appends the end of each value of the next record; false at the end of the text.
  bool next(std::vector<std::uint64_t>& ends) {
    while (read_ < text_.size() && passed_over()) {
    }
    if (read_ >= text_.size()) return false;
    record_line_ = line_;
    const std::size_t before = ends.size();
    do {
      if (text_[read_] == '"') {
        quoted();
      } else {
        plain();
      }
      ends.push_back(write_);
      if (ends.size() - before > kMostInALine) {
        throw InputError(
            fmt::format("{}:{}: a line of more than {} values", name_, record_line_, kMostInALine));
      }
    } while (more());
    return true;
  }

 private:
  // Skips one empty line or comment, if there is one here.
  bool passed_over() {
    const char c = text_[read_];
    if (c == '\n') {
      ++read_;
    } else if (c == '\r' && at_line_end()) {
      read_ += read_ + 1 < text_.size() ? 2 : 1;
    } else if (c == '#') {
      const void* end = std::memchr(text_.data() + read_, '\n', text_.size() - read_);
      read_ = end == nullptr ? text_.size() : offset(end) + 1;
    } else {
      return false;
    }
    ++line_;
    return true;
  }

  std::size_t offset(const void* place) const {
    return static_cast<std::size_t>(static_cast<const char*>(place) - text_.data());
  }

  // At a line's end: the text's end, "\n", or "\r" before either.
  bool at_line_end() const {
    std::size_t at = read_;
    if (at < text_.size() && text_[at] == '\r') ++at;
    return at >= text_.size() || text_[at] == '\n';
  }

  void plain() {
    char* const data = text_.data();
    const std::size_t start = read_;
    while (read_ < text_.size()) {
      const char c = data[read_];
      if (c == ',' || c == '\n' || (c == '\r' && at_line_end())) break;
      ++read_;
    }
    std::memmove(data + write_, data + start, read_ - start);
    write_ += read_ - start;
  }

  void quoted() {
    const std::size_t opened = line_;
    for (++read_;; ++read_) {
      if (read_ >= text_.size()) {
        throw InputError(fmt::format("{}:{}: a quote is opened and never closed", name_, opened));
      }
      const char c = text_[read_];
      if (c == '"') {
        ++read_;
        if (read_ >= text_.size() || text_[read_] != '"') break;
      }
      if (c == '\n') ++line_;
      text_[write_++] = c;
    }
    if (!at_line_end() && text_[read_] != ',') {
      throw InputError(
          fmt::format("{}:{}: expected a comma or the line's end after a closing quote, not {}",
                      name_, line_, quote(text_.substr(read_, 1))));
    }
  }

  // Passes a comma (true: a value follows) or the line's end.
  bool more() {
    if (read_ < text_.size() && text_[read_] == ',') {
      ++read_;
      // A comma at the text's end is followed by an empty value.
      if (read_ >= text_.size()) text_.push_back('\n');
      return true;
    }
    if (read_ < text_.size() && text_[read_] == '\r') ++read_;
    if (read_ < text_.size()) ++read_;
    ++line_;
    return false;
  }

  std::string& text_;
  const std::string& name_;
  std::size_t read_ = 0, write_ = 0;
  std::size_t line_ = 1, record_line_ = 1;
};

}  // namespace

CsvTable CsvTable::read(const std::filesystem::path& file) {
  return parse(read_text(file), file.string());
}

CsvTable CsvTable::parse(std::string text, std::string name) {
  CsvTable table;
  table.name_ = std::move(name);
  table.text_ = std::move(text);
  Records records(table.text_, table.name_);

  std::vector<std::uint64_t> ends;
  if (!records.next(ends)) {
    throw InputError(
        fmt::format("{}: is empty; expected a first line with the columns' names", table.name_));
  }
  std::unordered_set<std::string_view> known;
  table.columns_.reserve(ends.size());
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const std::uint64_t start = i == 0 ? 0 : ends[i - 1];
    const std::string_view column =
        trimmed(std::string_view(table.text_).substr(start, ends[i] - start));
    if (column.empty()) {
      throw InputError(
          fmt::format("{}:{}: column {} has no name", table.name_, records.line(), i + 1));
    }
    table.columns_.emplace_back(column);
    if (!known.insert(table.columns_.back()).second) {
      throw InputError(fmt::format("{}:{}: column {} is named twice", table.name_, records.line(),
                                   quote(column)));
    }
  }

  // The values of the rows follow those of the header in text_.
  table.ends_ = {records.written()};
  std::size_t before = table.ends_.size();
  while (records.next(table.ends_)) {
    const std::size_t values = table.ends_.size() - before;
    if (values != table.columns_.size()) {
      throw InputError(fmt::format("{}:{}: {} value{}, but {} column{}", table.name_,
                                   records.line(), values, values == 1 ? "" : "s",
                                   table.columns_.size(), table.columns_.size() == 1 ? "" : "s"));
    }
    before = table.ends_.size();
    if (before + table.lines_.size() > kMostValues) {
      throw InputError(fmt::format("{}:{}: a table of more than {} values and lines", table.name_,
                                   records.line(), kMostValues));
    }
    table.lines_.push_back(records.line());
  }
  table.text_.resize(records.written());
  return table;
}

std::string CsvTable::where(std::size_t row) const {
  return fmt::format("{}:{}", name_, lines_[row]);
}

std::optional<std::size_t> CsvTable::find_column(std::string_view name) const {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i] == name) return i;
  }
  return {};
}

std::size_t CsvTable::column(std::string_view name) const {
  if (const auto found = find_column(name)) return *found;
  const std::vector<std::string_view> known(columns_.begin(), columns_.end());
  throw InputError(fmt::format("{}: column {} is missing; the columns are {}{}", name_, quote(name),
                               printable(fmt::format("{}", fmt::join(columns_, ", ")), 400),
                               suggestion(name, known)));
}

std::string_view CsvTable::text(std::size_t row, std::size_t column) const {
  const std::size_t value = row * columns_.size() + column;  // ends_[value] is where it starts
  return std::string_view(text_).substr(ends_[value], ends_[value + 1] - ends_[value]);
}

double CsvTable::number(std::size_t row, std::size_t column) const {
  const std::string_view found = trimmed(text(row, column));
  double value = 0;
  const auto [end, error] = std::from_chars(found.data(), found.data() + found.size(), value);
  if (error != std::errc{} || end != found.data() + found.size() || !std::isfinite(value)) {
    throw InputError(fmt::format("{}: {}: expected a number, not {}", where(row),
                                 printable(columns_[column], 60), quote(text(row, column))));
  }
  return value;
}

std::int64_t CsvTable::integer(std::size_t row, std::size_t column) const {
  const std::string_view found = trimmed(text(row, column));
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(found.data(), found.data() + found.size(), value);
  if (error == std::errc{} && end == found.data() + found.size()) return value;
  // Tables that went through floating point write 8 as 8.0.
  double real = 0;
  const auto [stop, wrong] = std::from_chars(found.data(), found.data() + found.size(), real);
  if (wrong == std::errc{} && stop == found.data() + found.size() && std::abs(real) <= 0x1p53 &&
      real == std::trunc(real)) {
    return static_cast<std::int64_t>(real);
  }
  throw InputError(fmt::format("{}: {}: expected a whole number, not {}", where(row),
                               printable(columns_[column], 60), quote(text(row, column))));
}

}  // namespace moesim::sim::io
