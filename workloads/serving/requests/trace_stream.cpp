#include "workloads/serving/requests/trace_stream.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/check.h"
#include "sim/error.h"
#include "sim/io/json.h"
#include "workloads/serving/requests/rate_stream.h"
#include "workloads/serving/requests/text_rows.h"

namespace moesim::workloads::serving {
namespace {

constexpr double kMostSeconds = 9e6;  // 2^63 ps are 9.2e6 s

// A line of a trace. `at` counts from any origin.
struct Line {
  double at = 0;  // seconds
  Request request;
};

// Reads the lines of one format; false at the end.
class Lines {
 public:
  virtual ~Lines() = default;
  virtual bool next(Line& line) = 0;
  virtual const TextRows& rows() const = 0;
  virtual std::vector<std::string> notes() const { return {}; }
};

std::uint64_t text_id(std::string_view kind, std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const std::string_view part : {kind, name}) {
    for (const char c : part) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  return hash;
}

// What follows a shared beginning is this request's own.
Span own_text(const TextRows& rows) {
  return {text_id("own ", rows.where()), 0};
}

class AzureLines final : public Lines {
 public:
  explicit AzureLines(const std::filesystem::path& file) : csv_(file) {}
  bool next(Line& line) override {
    if (!csv_.next()) return false;
    line.at = date(csv_.text(at_));
    line.request.input = csv_.tokens(input_);
    line.request.output = csv_.tokens(output_);
    return true;
  }
  const TextRows& rows() const override { return csv_.rows(); }

 private:
  // "2023-11-16 18:15:46.6805900", also with T, and with a zone ("Z", "+01:00"): seconds of UTC.
  double date(std::string_view text) const {
    std::array<std::int64_t, 5> part{};
    const std::array<char, 6> after{'-', '-', ' ', ':', ':', '\0'};
    std::string_view rest = text;
    for (std::size_t i = 0; i < part.size(); ++i) {
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), part[i]);
      rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
      const bool separated =
          !rest.empty() && (rest.front() == after[i] || (after[i] == ' ' && rest.front() == 'T'));
      if (error != std::errc{} || !separated) bad(text);
      rest.remove_prefix(1);
    }
    double second = 0;
    const auto [end, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), second, std::chars_format::fixed);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const std::optional<std::int64_t> ahead = minutes_ahead(rest);
    const auto [year, month, day, hour, minute] = part;
    if (error != std::errc{} || month < 1 || month > 12 || day < 1 || day > 31 || year < 1900 ||
        year > 9999 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
        !(second >= 0 && second < 61) || !ahead) {
      bad(text);
    }
    const std::chrono::year_month_day on{std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
    if (!on.ok()) bad(text);  // February 30
    const std::int64_t days = std::chrono::sys_days(on).time_since_epoch().count();
    return static_cast<double>(((days * 24 + hour) * 60 + minute - *ahead) * 60) + second;
  }
  // Of a zone, "+01:00", "-0530" or "+02": nothing where it is none. UTC where there is none.
  static std::optional<std::int64_t> minutes_ahead(std::string_view zone) {
    zone.remove_prefix(std::min(zone.find_first_not_of(' '), zone.size()));
    if (zone.empty() || zone == "Z") return 0;
    std::string digits;
    for (const char c : zone.substr(1)) {
      if (c != ':') digits += c;
    }
    if (digits.size() == 2) digits += "00";
    const bool read = (zone[0] == '+' || zone[0] == '-') && digits.size() == 4 &&
                      digits.find_first_not_of("0123456789") == std::string::npos;
    if (!read) return {};
    const std::int64_t minutes = 60 * std::stoi(digits.substr(0, 2)) + std::stoi(digits.substr(2));
    return zone[0] == '+' ? minutes : -minutes;
  }
  [[noreturn]] void bad(std::string_view text) const {
    csv_.rows().fail(
        fmt::format("TIMESTAMP: expected a time such as 2023-11-16 18:15:46.68, not \"{}\"", text));
  }

  CsvRows csv_;
  std::size_t at_ = csv_.column("TIMESTAMP"), input_ = csv_.column("ContextTokens"),
              output_ = csv_.column("GeneratedTokens");
};

class BurstGptLines final : public Lines {
 public:
  explicit BurstGptLines(const std::filesystem::path& file) : csv_(file) {}
  bool next(Line& line) override {
    while (csv_.next()) {
      line.request.output = csv_.tokens(output_);
      if (line.request.output == 0) {
        ++failed_;
        continue;
      }
      line.at = csv_.number(at_);
      line.request.input = csv_.tokens(input_);
      return true;
    }
    return false;
  }
  const TextRows& rows() const override { return csv_.rows(); }
  std::vector<std::string> notes() const override {
    if (failed_ == 0) return {};
    return {fmt::format("{} requests of the trace failed (no response tokens) and are left out",
                        failed_)};
  }

 private:
  CsvRows csv_;
  std::size_t at_ = csv_.column("Timestamp"), input_ = csv_.column("Request tokens"),
              output_ = csv_.column("Response tokens");
  std::int64_t failed_ = 0;
};

class OwnLines final : public Lines {
 public:
  explicit OwnLines(const std::filesystem::path& file) : csv_(file) {
    if (prefix_ && !prefix_tokens_) csv_.column("prefix_tokens");  // throws
  }
  bool next(Line& line) override {
    if (!csv_.next()) return false;
    Request& r = line.request;
    line.at = csv_.number(at_);
    r.input = csv_.tokens(input_);
    r.output = csv_.tokens(output_);
    if (priority_) r.priority = csv_.integer(*priority_);
    if (turn_) r.turn = csv_.integer(*turn_);
    const std::string_view prefix = prefix_ ? csv_.text(*prefix_) : std::string_view{};
    const std::string_view session = session_ ? csv_.text(*session_) : std::string_view{};
    if (!prefix.empty()) {
      r.prompt.push_back({text_id("prefix ", prefix), csv_.tokens(*prefix_tokens_)});
    }
    if (!session.empty()) {
      r.prompt.push_back({text_id("session ", session), 0});
    } else if (!prefix.empty()) {
      r.prompt.push_back(own_text(rows()));
    }
    return true;
  }
  const TextRows& rows() const override { return csv_.rows(); }

 private:
  CsvRows csv_;
  std::size_t at_ = csv_.column("arrival_s"),
              input_ = csv_.column("input_tokens", {"prompt_tokens", "input_length", "prompt_len",
                                                    "input_len", "prompt"}),
              output_ = csv_.column("output_tokens", {"completion_tokens", "generated_tokens",
                                                      "output_length", "output_len", "output"});
  std::optional<std::size_t> session_ = csv_.find("session"), turn_ = csv_.find("turn"),
                             prefix_ = csv_.find("prefix"),
                             prefix_tokens_ = csv_.find("prefix_tokens"),
                             priority_ = csv_.find("priority");
};

class MooncakeLines final : public Lines {
 public:
  static constexpr std::int64_t kBlock = 512;
  explicit MooncakeLines(const std::filesystem::path& file) : rows_(file) {}
  bool next(Line& line) override {
    if (!rows_.next()) return false;
    const sim::io::Json json = sim::io::parse_json(rows_.line(), rows_.where());
    line.at = number(json, "timestamp") / 1000;
    line.request.input = tokens(json, "input_length");
    line.request.output = tokens(json, "output_length");
    if (!json.contains("hash_ids") || !json["hash_ids"].is_array()) {
      rows_.fail("hash_ids: expected a list of whole numbers");
    }
    std::int64_t rest = line.request.input;
    for (const sim::io::Json& id : json["hash_ids"]) {
      if (!id.is_number_integer()) rows_.fail("hash_ids: expected a list of whole numbers");
      if (rest <= 0) {
        rows_.fail(fmt::format("hash_ids: more blocks of {} tokens than {} tokens have", kBlock,
                               line.request.input));
      }
      line.request.prompt.push_back(
          {static_cast<std::uint64_t>(id.get<std::int64_t>()), std::min(rest, kBlock)});
      rest -= kBlock;
    }
    line.request.prompt.push_back(own_text(rows_));
    return true;
  }
  const TextRows& rows() const override { return rows_; }

 private:
  double number(const sim::io::Json& json, const char* key) const {
    if (!json.is_object() || !json.contains(key) || !json[key].is_number()) {
      rows_.fail(fmt::format("{}: expected a number", key));
    }
    return json[key].get<double>();
  }
  std::int64_t tokens(const sim::io::Json& json, const char* key) const {
    const double value = number(json, key);
    if (!(value >= 0) || value > 0x1p31 || value != std::floor(value)) {
      rows_.fail(fmt::format("{}: expected a number of tokens", key));
    }
    return static_cast<std::int64_t>(value);
  }
  TextRows rows_;
};

std::unique_ptr<Lines> open_lines(const RequestTrace& trace) {
  switch (trace.format) {
    case TraceFormat::Azure:
      return std::make_unique<AzureLines>(trace.file);
    case TraceFormat::BurstGpt:
      return std::make_unique<BurstGptLines>(trace.file);
    case TraceFormat::Mooncake:
      return std::make_unique<MooncakeLines>(trace.file);
    case TraceFormat::Moesim:
    case TraceFormat::ServeGen:
      break;
  }
  return std::make_unique<OwnLines>(trace.file);
}

class TraceStream final : public RequestStream {
 public:
  explicit TraceStream(const RequestTrace& trace) : trace_(trace), lines_(open_lines(trace)) {
    read();
    if (!next_) {
      throw sim::InputError(fmt::format("{}: has no requests in the part that is asked for",
                                        trace.file.generic_string()));
    }
  }

  std::optional<sim::Time> next_arrival() override {
    if (!next_) return {};
    return next_->arrival;
  }

  Request take() override {
    SIM_CHECK(next_, "no request is left to take");
    Request request = std::move(*next_);
    request.id = taken_++;
    read();
    return request;
  }

  void answered(const Request&, sim::Time) override {}

  std::vector<std::string> notes() const override {
    std::vector<std::string> notes = lines_->notes();
    if (empty_ > 0) {
      notes.push_back(
          fmt::format("{} requests of the trace have no tokens in or out: one each", empty_));
    }
    return notes;
  }

 private:
  void read() {
    next_.reset();
    if (trace_.count && taken_ >= *trace_.count) return;
    for (Line line; lines_->next(line); line = {}) {
      if (!origin_) origin_ = line.at;
      if (line.at < before_) {
        lines_->rows().fail("arrives before the line before it: sort the trace by time");
      }
      before_ = line.at;
      const double at = line.at - *origin_;
      if (at < sim::to_seconds(trace_.from)) continue;
      if (trace_.to != sim::kForever && at >= sim::to_seconds(trace_.to)) return;
      if (line.request.input == 0 || line.request.output == 0) ++empty_;
      line.request.input = std::max<std::int64_t>(line.request.input, 1);
      line.request.output = std::max<std::int64_t>(line.request.output, 1);
      const double after = (at - sim::to_seconds(trace_.from)) / trace_.scale;
      if (after > kMostSeconds) {
        lines_->rows().fail(fmt::format(
            "comes {:.3g} s after the first: a clock of picoseconds ends after {:.0f} s, 104 days",
            after, kMostSeconds));
      }
      line.request.arrival = sim::Time(sim::Duration(std::llround(after * 1e12)));
      next_ = std::move(line.request);
      return;
    }
  }

  RequestTrace trace_;
  std::unique_ptr<Lines> lines_;
  std::optional<Request> next_;
  std::optional<double> origin_;
  double before_ = -INFINITY;
  std::int64_t taken_ = 0, empty_ = 0;
};

}  // namespace

std::unique_ptr<RequestStream> open_trace(const RequestTrace& trace, std::uint64_t seed) {
  if (trace.format == TraceFormat::ServeGen) return open_rates(trace, seed);
  return std::make_unique<TraceStream>(trace);
}

}  // namespace moesim::workloads::serving
