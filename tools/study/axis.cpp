#include "tools/study/axis.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "sim/error.h"

namespace moesim::tools {
namespace {

constexpr double kExact = 9007199254740992;  // 2^53

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

// A number and what stands behind it: a unit, with its blank.
struct End {
  double number = 0;
  bool whole = false;
  std::string_view unit = {};
};

std::optional<End> read_end(std::string_view text) {
  End end;
  const char* first = text.data();
  const auto [stop, error] = std::from_chars(first, first + text.size(), end.number);
  if (text.empty() || error != std::errc{} || !std::isfinite(end.number)) return {};
  end.whole = end.number == std::floor(end.number) && std::abs(end.number) <= kExact;
  end.unit = text.substr(static_cast<std::size_t>(stop - first));
  if (!trimmed(end.unit).empty() &&
      std::isalpha(static_cast<unsigned char>(trimmed(end.unit)[0])) == 0)
    return {};
  return end;
}

// Commas that are not inside of brackets, braces or quotes.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> items;
  std::string item;
  int depth = 0;
  char quote = '\0';
  for (const char c : text) {
    if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    } else if (c == ',' && depth == 0) {
      items.emplace_back(trimmed(item));
      item.clear();
      continue;
    }
    item += c;
  }
  items.emplace_back(trimmed(item));
  return items;
}

std::string written(double number, bool whole, std::string_view unit) {
  return whole ? fmt::format("{}{}", static_cast<std::int64_t>(number), unit)
               : fmt::format("{}{}", number, unit);
}

class Range {
 public:
  Range(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  std::vector<std::string> values() {
    const std::size_t dots = text_.find("..");
    std::string_view last = text_.substr(dots + 2), amount;
    const std::size_t sign = last.find_first_of("*~+", last.empty() ? 0 : 1);
    const char how = sign == std::string_view::npos ? '+' : last[sign];
    if (sign != std::string_view::npos) {
      amount = trimmed(last.substr(sign + 1));
      last = last.substr(0, sign);
    }
    const auto first = read_end(trimmed(text_.substr(0, dots))), end = read_end(trimmed(last));
    const auto by = amount.empty() ? End{1, true, {}} : read_end(amount).value_or(End{});
    if (!first || !end || !by.unit.empty() || (sign != std::string_view::npos && amount.empty()))
      wrong();
    if (!first->unit.empty() && trimmed(first->unit) != trimmed(end->unit)) {
      throw sim::ConfigError(
          fmt::format("{}: the ends of \"{}\" are in different units", where_, text_));
    }
    if (end->number < first->number) {
      throw sim::ConfigError(
          fmt::format("{}: \"{}\" goes down: the smaller end comes first", where_, text_));
    }
    switch (how) {
      case '*':
        return by_factor(*first, *end, by.number);
      case '~':
        return even_in_log(*first, *end, by);
      default:
        return in_steps(*first, *end, by);
    }
  }

 private:
  [[noreturn]] void wrong() const {
    throw sim::ConfigError(fmt::format(
        "{}: expected a range such as 1..9, 0..1+0.25, 1..256*2 or 50..800~9, not \"{}\"", where_,
        text_));
  }
  void check_count(double count) const {
    if (count > static_cast<double>(kMostValues)) {
      throw sim::ConfigError(
          fmt::format("{}: \"{}\" has more than {} values", where_, text_, kMostValues));
    }
  }

  // By multiples of the step, so that no error of rounding grows.
  std::vector<std::string> in_steps(const End& first, const End& end, const End& by) const {
    if (!(by.number > 0)) wrong();
    const double count = std::floor((end.number - first.number) / by.number * (1 + 1e-12) + 1e-9);
    check_count(count);
    std::vector<std::string> values;
    for (std::int64_t i = 0; i <= static_cast<std::int64_t>(count); ++i)
      values.push_back(written(rounded(first.number + static_cast<double>(i) * by.number),
                               first.whole && by.whole, end.unit));
    return values;
  }

  std::vector<std::string> by_factor(const End& first, const End& end, double factor) const {
    if (!(first.number > 0) || !(factor > 1)) wrong();
    check_count(std::log(end.number / first.number) / std::log(factor));
    std::vector<std::string> values;
    for (double x = first.number; x <= end.number * (1 + 1e-12); x *= factor) {
      const bool whole = first.whole && x == std::floor(x);
      values.push_back(written(rounded(x), whole, end.unit));
    }
    return values;
  }

  std::vector<std::string> even_in_log(const End& first, const End& end, const End& points) const {
    if (!(first.number > 0) || !points.whole || points.number < 2) wrong();
    check_count(points.number);
    const bool whole = first.whole && end.whole;
    std::vector<std::string> values;
    for (double i = 0; i < points.number; ++i) {
      const double x = first.number * std::pow(end.number / first.number, i / (points.number - 1));
      const std::string text = written(whole ? std::round(x) : rounded(x), whole, end.unit);
      if (values.empty() || values.back() != text) values.push_back(text);
    }
    return values;
  }

  // To twelve digits: 0.1 + 2 x 0.1 is 0.3.
  static double rounded(double x) {
    if (x == 0) return 0;
    const double scale = std::pow(10, 11 - std::floor(std::log10(std::abs(x))));
    return std::round(x * scale) / scale;
  }

  std::string_view text_;
  const std::string& where_;
};

}  // namespace

std::vector<std::string> read_values(std::string_view text, const std::string& where) {
  const std::string_view all = trimmed(text);
  std::vector<std::string> items = split(all);
  std::vector<std::string> values;
  for (const std::string& item : items) {
    if (item.empty()) {
      throw sim::ConfigError(
          fmt::format("{}: expected values such as 8,16,32 or 1..256*2, not \"{}\"", where, text));
    }
    const std::size_t dots = item.find("..");
    const bool range =
        dots != std::string::npos && read_end(trimmed(std::string_view(item).substr(0, dots)));
    if (!range) {
      values.push_back(item);
      continue;
    }
    for (std::string& value : Range(item, where).values()) values.push_back(std::move(value));
  }
  return values;
}

Axis read_axis(std::string_view assignment, const std::string& where) {
  const std::size_t equals = assignment.find('=');
  const std::string key(trimmed(assignment.substr(0, equals)));
  if (equals == std::string_view::npos || key.empty()) {
    throw sim::ConfigError(
        fmt::format("{}: expected KEY=VALUES such as step.batch_per_rank=1..256*2, not \"{}\"",
                    where, assignment));
  }
  return {key, read_values(assignment.substr(equals + 1), fmt::format("{} {}", where, key))};
}

}  // namespace moesim::tools
