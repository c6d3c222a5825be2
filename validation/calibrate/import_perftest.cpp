// perftest: ib_write_bw, ib_write_lat and the like, text and JSON.
#include <array>
#include <nlohmann/json.hpp>

#include "sim/io/json.h"
#include "validation/calibrate/import.h"
#include "validation/calibrate/import_outliers.h"
#include "validation/calibrate/import_text.h"

namespace moesim::validation {
namespace {

// What perftest calls a unit of bandwidth, and how many GB/s it is. Its MB are MiB.
struct Unit {
  const char* word;
  double gigabytes;
};

constexpr std::array kUnits{Unit{"Gb/sec", 1.0 / 8}, Unit{"MB/sec", 1048576e-9},
                            Unit{"MiB/sec", 1048576e-9}};
constexpr const char* kKnown = "MB/sec, MiB/sec or Gb/sec";

// A row's bandwidth, and its millions of messages a second, where it says them.
struct Reading {
  double bytes = 0;
  Rounded bandwidth;
  std::optional<Rounded> millions;
};

// Whether the bandwidth is, but for rounding and a tenth, that of its messages.
bool fits(const Reading& row, const Unit& unit) {
  const double million_messages = row.bytes * 1e-3;  // GB/s
  const Rounded &bandwidth = row.bandwidth, &rate = *row.millions;
  return (bandwidth.value + bandwidth.half) * unit.gigabytes >=
             0.9 * (rate.value - rate.half) * million_messages &&
         (bandwidth.value - bandwidth.half) * unit.gigabytes <=
             1.1 * (rate.value + rate.half) * million_messages;
}

// The table, and each test's rows by themselves.
class Table {
 public:
  explicit Table(ImportNotes notes) : notes_(notes) {}

  // `directions`: how many the bandwidth is the sum of. Throws where the row's messages say
  // otherwise.
  void bandwidth(const std::string& where, const Reading& row, const Unit& unit,
                 double directions) {
    const double gigabytes = row.bandwidth.value * unit.gigabytes;
    if (row.millions && row.millions->value > 0 && !fits(row, unit)) {
      const auto other = std::ranges::find_if(kUnits, [&](const Unit& u) { return fits(row, u); });
      throw sim::InputError(fmt::format(
          "{}: {} {} are {:.3g} GB/s, but {} million messages of {:.0f} bytes a second are "
          "{:.3g}{}",
          where, row.bandwidth.value, unit.word, gigabytes, row.millions->value, row.bytes,
          row.bytes * row.millions->value * 1e-3,
          other == kUnits.end() ? ": measure again" : fmt::format(", as in {}", other->word)));
    }
    const double one = gigabytes / directions;
    rows_ += fmt::format("{:.0f},{:.6g},\n", row.bytes, one);
    test_.push_back({where, row.bytes, row.bytes / one * 1e-3, fmt::format("{:.4g} GB/s", one)});
  }

  void latency(const std::string& where, double bytes, double us) {
    rows_ += fmt::format("{:.0f},,{:.6g}\n", bytes, us);
    test_.push_back({where, bytes, us, fmt::format("{} us", us)});
  }

  void end_test() {
    point_at_outliers(test_, notes_);
    csv_ += rows_;
    leave_out_test();
  }
  void leave_out_test() {
    test_.clear();
    rows_.clear();
  }

  bool empty() const { return csv_ == kHeader; }
  const std::string& csv() const { return csv_; }

 private:
  static constexpr const char* kHeader = "bytes,bandwidth_GBps,latency_us\n";
  ImportNotes notes_;
  std::string csv_ = kHeader;
  std::vector<TimedSize> test_;
  std::string rows_;  // of the test
};

// How many directions a bandwidth is the sum of: two in a bidirectional test.
double directions(std::string_view text) {
  return text.find("Bidirectional") != std::string_view::npos ||
                 text.find("bidirectional\": true") != std::string_view::npos ||
                 text.find("bidirectional\": \"ON") != std::string_view::npos
             ? 2
             : 1;
}

// The unit that a JSON names anywhere, or whose bandwidth a row's messages give.
const Unit& unit_of(const Reading& row, std::string_view text, const std::string& name) {
  for (const Unit& unit : kUnits) {
    if (text.find(unit.word) != std::string_view::npos) return unit;
  }
  const std::size_t other = text.find("/sec");
  if (other != std::string_view::npos) {
    const std::size_t begin = text.substr(0, other).find_last_of(" \"[") + 1;
    throw sim::InputError(fmt::format("{}: a unit \"{}\": expected {}", name,
                                      text.substr(begin, other + 4 - begin), kKnown));
  }
  for (const Unit& unit : kUnits) {
    if (row.millions && row.millions->value > 0 && fits(row, unit)) return unit;
  }
  throw sim::InputError(
      fmt::format("{}: does not say the unit of BW_average, and MsgRate does not tell it", name));
}

// perftest's --out_json: one result, or a list of them.
std::string table_of_json(const sim::io::Json& json, std::string_view text, const std::string& name,
                          ImportNotes notes) {
  if (!json.is_object() || !json.contains("results"))
    throw sim::InputError(fmt::format("{}: no \"results\"; is this of perftest?", name));
  const auto& results = json["results"];
  Table table(notes);
  int place = 0;
  const auto add = [&](const sim::io::Json& r) {
    const auto real = [&](const char* key) -> std::optional<Rounded> {
      if (!r.contains(key) || !r[key].is_number()) return {};
      return rounded(fmt::format("{}", r[key].get<double>()));
    };
    const std::string where = fmt::format("{}: result {}", name, ++place);
    const auto bytes = real("MsgSize"), bandwidth = real("BW_average"),
               us = real(r.contains("t_typical") ? "t_typical" : "t_avg");  // -D has no typical one
    if (!r.is_object() || !bytes || bytes->value < 1 || !is_size(bytes->value) ||
        !(bandwidth || us) || (bandwidth && bandwidth->value <= 0) || (us && us->value <= 0))
      throw sim::InputError(
          fmt::format("{}: a result without MsgSize and BW_average or t_typical above zero", name));
    if (bandwidth) {
      const Reading row{bytes->value, *bandwidth, real("MsgRate")};
      table.bandwidth(where, row, unit_of(row, text, name), directions(text));
    } else {
      table.latency(where, bytes->value, us->value);
    }
  };
  if (results.is_array())
    for (const auto& r : results) add(r);
  else
    add(results);
  table.end_test();
  return table.csv();
}

// A header's columns as rows have them: "BW peak[…]", "99% percentile[…]" and "tps average" are two
// words each.
std::vector<std::string> columns_of(std::string_view header) {
  std::vector<std::string> columns;
  bool goes_on = false;
  for (const std::string_view word : words_of(header)) {
    if (goes_on)
      columns.back().append(" ").append(word);
    else
      columns.emplace_back(word);
    goes_on = !goes_on && (word == "BW" || word == "tps" || word.ends_with('%'));
  }
  return columns;
}

std::optional<std::size_t> place_of(std::string_view name,
                                    const std::vector<std::string>& columns) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].substr(0, columns[i].find('[')) == name) return i;
  }
  return {};
}

// What a column says in brackets behind its name.
std::string_view unit_behind(std::string_view column) {
  const std::size_t at = std::min(column.find('['), column.size() - 1);
  return column.substr(at + 1, column.find(']') - at - 1);
}

// A log line by line; each test has its title, and a table of its own.
class Log {
 public:
  Log(std::string_view text, const std::string& name, ImportNotes notes)
      : text_(text), lines_(lines_of(text)), name_(name), notes_(notes), table_(notes) {}

  std::string read() {
    for (line_ = 0; line_ < lines_.size(); ++line_) {
      const std::string_view line = lines_[line_];
      title(line);
      failure(line);
      if (const std::size_t at = line.find("#bytes"); at != std::string_view::npos)
        header(line, at);
      else if (columns_ && !failed_)
        row(line);
    }
    table_.end_test();
    if (table_.empty() && first_failed_)
      fail(name_, *first_failed_, "the test failed: measure again");
    if (table_.empty()) {
      throw sim::InputError(fmt::format(
          "{}: {}", name_, columns_ ? "the table has no row" : "no table that begins with #bytes"));
    }
    return table_.csv();
  }

 private:
  struct Columns {
    std::string name = {};  // of the one that is read
    std::size_t value = 0;  // its place
    std::optional<std::size_t> rate = {};
    const Unit* unit = nullptr;  // of bandwidths; null: times
  };

  void title(std::string_view line) {
    const bool both = line.find("Bidirectional") != std::string_view::npos;
    if (!both && line.find(" BW Test") == std::string_view::npos &&
        line.find(" Latency Test") == std::string_view::npos)
      return;
    start();
    directions_ = both ? 2 : 1;
  }

  void failure(std::string_view line) {
    if (failed_ || (line.find("Completion with error") == std::string_view::npos &&
                    line.find("Failed status") == std::string_view::npos))
      return;
    note(notes_, name_, line_, "the test failed, its rows are left out");
    table_.leave_out_test();
    failed_ = true;
    if (!first_failed_) first_failed_ = line_;
  }

  void start() {
    table_.end_test();
    failed_ = false;
  }

  // Launchers put words before every line: as many as before the table's header before its rows.
  void header(std::string_view line, std::size_t at) {
    start();
    const std::vector<std::string> columns = columns_of(line.substr(at));
    prefix_ = words_of(line.substr(0, at)).size();
    columns_ = Columns{.rate = place_of("MsgRate", columns)};
    for (const char* name : {"BW average", "t_typical", "t_avg"}) {  // -D has no t_typical
      const auto place = place_of(name, columns);
      if (!place) continue;
      columns_->name = name;
      columns_->value = *place;
      const std::string_view said = unit_behind(columns[*place]);
      if (columns_->name != "BW average") {
        if (said == "usec") return;
        fail(name_, line_,
             fmt::format("{} in \"{}\": expected usec: measure without --report-cycles", name,
                         said));
      }
      const auto known = std::ranges::find(kUnits, said, &Unit::word);
      if (known == kUnits.end())
        fail(name_, line_, fmt::format("BW average in \"{}\": expected {}", said, kKnown));
      columns_->unit = &*known;
      return;
    }
    fail(name_, line_, "no column BW average, t_typical or t_avg");
  }

  void row(std::string_view line) {
    std::vector<std::string_view> words = words_of(line);
    if (words.size() <= prefix_) return;
    words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(prefix_));
    const auto bytes = number(words[0]);
    if (!bytes) return;
    if (ends_within(text_, line)) return note(notes_, name_, line_, kCut);
    const Columns& table = *columns_;
    const std::string_view said = words.size() > table.value ? words[table.value] : "not there";
    const auto value = rounded(said);
    if (!value)
      return note(notes_, name_, line_, fmt::format("left out: its {} is {}", table.name, said));
    if (!(value->value > 0)) fail(name_, line_, "expected a bandwidth or a time above zero");
    if (!is_size(*bytes) || *bytes < 1) fail(name_, line_, "expected a size in bytes");
    const std::string where = fmt::format("{}:{}", name_, line_ + 1);
    if (table.unit == nullptr) {
      table_.latency(where, *bytes, value->value);
      return;
    }
    const auto rate =
        table.rate && words.size() > *table.rate ? rounded(words[*table.rate]) : std::nullopt;
    table_.bandwidth(where, {*bytes, *value, rate}, *table.unit, directions_);
  }

  std::string_view text_;
  std::vector<std::string_view> lines_;
  const std::string& name_;
  ImportNotes notes_;
  Table table_;
  std::optional<Columns> columns_;  // of the last header
  std::size_t prefix_ = 0;
  bool failed_ = false;  // this test
  std::optional<std::size_t> first_failed_;
  double directions_ = 1;
  std::size_t line_ = 0;
};

}  // namespace

std::string import_perftest(std::string_view text, const std::string& name,
                            std::vector<std::string>* notes) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{')
    return table_of_json(sim::io::parse_json(text, name), text, name, notes);
  return Log(text, name, notes).read();
}

}  // namespace moesim::validation
