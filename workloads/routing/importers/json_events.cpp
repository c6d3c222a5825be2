#include "workloads/routing/importers/json_events.h"

#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <tuple>
#include <utility>

#include "sim/error.h"
#include "sim/io/packed_stream.h"

namespace moesim::workloads {
namespace {

constexpr int kMostDepth = 100;

// What the parser calls; true: go on.
class Adapter {
 public:
  using Ch = char;

  Adapter(std::string name, JsonEvents& events) : name_(std::move(name)), events_(events) {}

  bool Null() { return other(); }
  bool Bool(bool) { return other(); }
  bool Int(int value) { return Int64(value); }
  bool Uint(unsigned value) { return Int64(value); }
  bool Int64(std::int64_t value) {
    need_record("a number");
    events_.integer(value);
    return true;
  }
  // Those of 32 bits and of 63 are told by the two above.
  bool Uint64(std::uint64_t value) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return other();
    return Int64(static_cast<std::int64_t>(value));
  }
  bool Double(double) { return other(); }
  bool RawNumber(const char*, unsigned, bool) { return other(); }  // not asked for
  bool String(const char* text, unsigned size, bool) {
    need_record("text");
    text_.assign(text, size);
    events_.text(text_);
    return true;
  }
  bool StartObject() {
    deeper();
    if (depth_ - (top_list_ ? 1 : 0) == 1) {
      events_.begin_record(++record_);
    } else {
      events_.begin_object();
    }
    return true;
  }
  bool Key(const char* text, unsigned size, bool) {
    text_.assign(text, size);
    events_.key(text_);
    return true;
  }
  bool EndObject(unsigned) {
    if (depth_ - (top_list_ ? 1 : 0) == 1) {
      events_.end_record();
    } else {
      events_.end_object();
    }
    --depth_;
    return true;
  }
  bool StartArray() {
    deeper();
    if (depth_ == 1) {
      top_list_ = true;
    } else {
      need_record("a list");
      events_.begin_list();
    }
    return true;
  }
  bool EndArray(unsigned) {
    if (depth_ == 1) {
      top_list_ = false;
    } else {
      events_.end_list();
    }
    --depth_;
    return true;
  }

  // The record that is read, or that would come.
  std::uint64_t record() const { return record_ + (depth_ - (top_list_ ? 1 : 0) < 1 ? 1 : 0); }

 private:
  bool other() {
    need_record("a value");
    events_.other();
    return true;
  }
  void deeper() {
    if (++depth_ > kMostDepth) {
      throw sim::InputError(
          fmt::format("{}: record {}: nested deeper than {}", name_, record_, kMostDepth));
    }
  }
  void need_record(const char* what) const {
    if (depth_ - (top_list_ ? 1 : 0) < 1) {
      throw sim::InputError(
          fmt::format("{}: record {}: expected an object, not {}", name_, record_ + 1, what));
    }
  }

  std::string name_;
  JsonEvents& events_;
  std::string text_;
  int depth_ = 0;
  bool top_list_ = false;
  std::uint64_t record_ = 0;
};

// Of one record, unpacked: one of a gzip may go on for ever, and a text is held twice. A response
// of 128 k tokens, 60 layers and 8 experts in four bytes takes 330 MB in base64.
constexpr std::size_t kMostRecord = std::size_t{352} << 20;

// A file as the parser reads it, as long as a record is not too large; it knows its place.
class Bytes {
 public:
  using Ch = char;

  explicit Bytes(const std::filesystem::path& file) : file_(file), name_(file.string()) {
    file_.exceptions(std::ios::badbit);  // what the buffers throw is not kept from us
    refill();
    if (std::string_view(part_.data(), static_cast<std::size_t>(end_ - part_.data()))
            .starts_with("\xEF\xBB\xBF")) {
      next_ += 3;
    }
  }

  // The parser's own names; a NUL is what it takes for the end.
  Ch Peek() const { return *next_; }
  Ch Take() {
    const char now = *next_++;
    if (next_ == end_) refill();
    return now;
  }
  std::size_t Tell() const { return 0; }  // see place()
  Ch* PutBegin() { return nullptr; }      // those four are for streams that are written
  void Put(Ch) {}
  void Flush() {}
  std::size_t PutEnd(Ch*) { return 0; }

  // At the next value's first byte; false at the end of the file.
  bool begin_record() {
    taken_ = 0;
    rapidjson::SkipWhitespace(*this);
    return !over_;
  }

  // "line 2, column 7", both from 1, of what Take() would give.
  std::string place() const {
    const auto [lines, column] = lines_until(next_);
    return fmt::format("line {}, column {}", lines + 1, column + 1);
  }

 private:
  void refill() {
    if (end_ != nullptr) std::tie(lines_, column_) = lines_until(end_);
    file_.read(part_.data(), static_cast<std::streamsize>(part_.size() - 1));
    const std::size_t got = static_cast<std::size_t>(file_.gcount());
    over_ = got == 0;
    taken_ += got;
    if (taken_ > kMostRecord) {
      throw sim::InputError(
          fmt::format("{}: a record of more than {} MiB", name_, kMostRecord >> 20));
    }
    next_ = part_.data();
    end_ = next_ + got;
    *end_ = '\0';
  }
  std::pair<std::size_t, std::size_t> lines_until(const char* to) const {
    const std::string_view before(part_.data(), static_cast<std::size_t>(to - part_.data()));
    const std::size_t last = before.rfind('\n');
    return {lines_ + static_cast<std::size_t>(std::ranges::count(before, '\n')),
            last == before.npos ? column_ + before.size() : before.size() - last - 1};
  }

  sim::io::PackedStream file_;
  std::string name_;
  std::array<char, (std::size_t{1} << 16) + 1> part_;
  char* next_ = nullptr;
  char* end_ = nullptr;
  std::size_t taken_ = 0;
  std::size_t lines_ = 0, column_ = 0;  // before the part
  bool over_ = false;
};

}  // namespace

struct JsonEventReader::State {
  State(const std::filesystem::path& file, JsonEvents& events)
      : name(file.string()), bytes(file), adapter(name, events) {}
  std::string name;
  Bytes bytes;
  Adapter adapter;
};

JsonEventReader::JsonEventReader(const std::filesystem::path& file, JsonEvents& events)
    : state_(std::make_unique<State>(file, events)) {}

JsonEventReader::~JsonEventReader() = default;

bool JsonEventReader::next() {
  if (!state_->bytes.begin_record()) return false;
  constexpr unsigned kHow = rapidjson::kParseIterativeFlag | rapidjson::kParseStopWhenDoneFlag |
                            rapidjson::kParseValidateEncodingFlag;
  rapidjson::Reader parser;
  if (!parser.Parse<kHow>(state_->bytes, state_->adapter)) {
    throw sim::InputError(fmt::format("{}: record {}: parse error at {}: {}", state_->name,
                                      state_->adapter.record(), state_->bytes.place(),
                                      rapidjson::GetParseError_En(parser.GetParseErrorCode())));
  }
  return true;
}

void read_json_events(const std::filesystem::path& file, JsonEvents& events) {
  JsonEventReader reader(file, events);
  while (reader.next()) {
  }
}

}  // namespace moesim::workloads
