// nccl-tests' text.
#include <algorithm>
#include <array>

#include "validation/calibrate/nccl_runs.h"

namespace moesim::validation {
namespace {

// A log line by line. Launchers put words before every line ("[1,0]<stdout>:", "3: ", a time): as
// many as stand before the '#' of the table's header stand before its rows.
class LogReader {
 public:
  LogReader(std::string_view text, std::string name, ImportNotes notes)
      : text_(text), lines_(lines_of(text)), name_(std::move(name)), notes_(notes) {}

  std::vector<NcclRun> read() {
    for (line_ = 0; line_ < lines_.size(); ++line_) {
      const std::string_view line = lines_[line_];
      const std::size_t hash = line.find('#');
      if (failure(line)) continue;
      // "#wrong" is no comment.
      if (hash != std::string_view::npos && line.substr(hash, 6) != "#wrong") {
        comment(line.substr(hash + 1), words_of(line.substr(0, hash)).size());
      } else {
        row(line);
      }
    }
    if (!table_ && !run().failure.empty())
      throw sim::InputError(fmt::format("{}: the test failed and no row is left: line {}: {}",
                                        name_, run().failed_at + 1, run().failure));
    if (!table_) {
      throw sim::InputError(fmt::format(
          "{}: no header line with \"size\" and \"time\"; is this of nccl-tests?", name_));
    }
    return std::move(runs_);
  }

 private:
  struct Columns {
    std::size_t size = 0, time = 0;
    std::optional<std::size_t> count, type, wrong, algbw, busbw;
    std::size_t all = 0;
  };

  NcclRun& run() {
    if (runs_.empty()) runs_.emplace_back();
    return runs_.back();
  }

  void start() {
    columns_.reset();
    if (runs_.empty() || !runs_.back().rows.empty() || !runs_.back().groups.empty() ||
        !runs_.back().failure.empty()) {
      runs_.emplace_back();
    }
  }

  void comment(std::string_view text, std::size_t before) {
    const std::vector<std::string_view> words = words_of(text);
    if (words.empty()) return;
    const std::size_t test = text.find("Collective test starting:");
    if (test != std::string_view::npos) {
      start();
      const auto named = words_of(text.substr(test + 25));
      if (!named.empty()) run().operation = nccl_operation_named(named.front());
    } else if (words[0] == "nThread" || words[0] == "nThreads") {
      start();  // older versions say no more of a new test
    } else if (words[0] == "Rank" && words.size() > 1 && number(words[1])) {
      if (!run().rows.empty() || !run().failure.empty()) start();
      const auto after = [&](std::string_view word) {
        const auto at = std::ranges::find(words, word);
        return at == words.end() || at + 1 == words.end() ? std::string() : std::string(at[1]);
      };
      NcclGroup& group = run().groups[after("Group")];
      ++group.ranks;
      if (const std::string host = after("on"); !host.empty()) group.hosts.insert(host);
    } else if (text.find("Out of bounds values") != std::string_view::npos) {
      if (text.find("FAILED") != std::string_view::npos && run().wrong == 0) {
        fail_run("values out of bounds: FAILED");
      }
    } else if (text.find("Avg bus bandwidth") != std::string_view::npos) {
      run().ended = true;
    } else if (words[0] == "(B)") {
      const auto unit = std::ranges::find_if(
          words, [](std::string_view word) { return word != "(B)" && word != "(elements)"; });
      if (unit != words.end() && *unit != "(us)")
        fail(name_, line_, fmt::format("times in \"{}\": expected (us)", *unit));
    } else {
      header(words, before);
    }
  }

  void header(const std::vector<std::string_view>& words, std::size_t before) {
    const auto place = [&](std::string_view word, std::size_t from) -> std::optional<std::size_t> {
      for (std::size_t i = from; i < words.size(); ++i) {
        if (words[i] == word) return i;
      }
      return {};
    };
    const auto size = place("size", 0), time = place("time", 0);
    if (size && !time && place("cputime", 0)) fail(name_, line_, kCpuTime);
    if (!size || !time) return;
    auto wrong = place("#wrong", *time);
    if (!wrong) wrong = place("wrong", *time);
    columns_ = Columns{*size,
                       *time,
                       place("count", 0),
                       place("type", 0),
                       wrong,
                       place("algbw", *time),
                       place("busbw", *time),
                       words.size()};
    prefix_ = before;
    table_ = true;
  }

  void row(std::string_view line) {
    if (!columns_) return;
    std::vector<std::string_view> words = words_of(line);
    if (words.size() <= prefix_) return;
    words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(prefix_));
    if (!number(words[0])) return;  // what a launcher prints
    if (ends_within(text_, line) && words.size() < columns_->all) {
      note(notes_, name_, line_, kCut);
      return;
    }
    if (words.size() <= std::max({columns_->size, columns_->time, columns_->type.value_or(0)})) {
      fail(name_, line_, "the line has fewer columns than the header");
    }
    const auto bytes = number(words[columns_->size]);
    if (!bytes || !is_size(*bytes)) fail(name_, line_, "expected a size in bytes");
    if (*bytes < 1) return;  // zero bytes
    const std::string_view said = words[columns_->time];
    const auto time = number(said);
    if (!time && (said == "nan" || said == "-nan" || said == "NaN" || said == "inf" ||
                  said == "N/A" || said == "-")) {
      note(notes_, name_, line_, fmt::format("left out: its time is {}", said));
      ++run().untimed;
      return;
    }
    if (!time || *time <= 0) fail(name_, line_, "expected a size and a time above zero");
    if (columns_->wrong && words.size() > *columns_->wrong) {
      if (const std::string why = wrong_values(words[*columns_->wrong]); !why.empty()) {
        note(notes_, name_, line_, "left out: " + why);
        ++run().wrong;
        return;
      }
    }
    const auto said_in = [&](std::optional<std::size_t> column) {
      return column && words.size() > *column ? rounded(words[*column]) : std::nullopt;
    };
    const auto count = said_in(columns_->count);
    run().rows.push_back({fmt::format("{}:{}", name_, line_ + 1),
                          columns_->type ? std::string(words[*columns_->type]) : "float", *bytes,
                          *time, said_in(columns_->algbw), said_in(columns_->busbw),
                          count ? std::optional(count->value) : std::nullopt});
  }

  bool failure(std::string_view line) {
    for (const char* said : {"Test NCCL failure", "Test failure", "Test CUDA failure"}) {
      const std::size_t at = line.find(said);
      if (at == std::string_view::npos) continue;
      fail_run(std::string(line.substr(at, 100)));
      return true;
    }
    return false;
  }

  void fail_run(std::string why) {
    if (!run().failure.empty()) return;
    run().failure = std::move(why);
    run().failed_at = line_;
  }

  std::string_view text_;
  std::vector<std::string_view> lines_;
  std::string name_;
  ImportNotes notes_;
  std::vector<NcclRun> runs_;
  std::optional<Columns> columns_;
  std::size_t prefix_ = 0, line_ = 0;
  bool table_ = false;
};

}  // namespace

std::vector<NcclRun> nccl_runs_of_text(std::string_view text, const std::string& name,
                                       ImportNotes notes) {
  return LogReader(text, name, notes).read();
}

}  // namespace moesim::validation
