#include "workloads/routing/importers/json_events.h"

#include <fmt/format.h>

#include <array>
#include <istream>
#include <limits>
#include <nlohmann/json.hpp>
#include <streambuf>
#include <utility>

#include "sim/error.h"
#include "sim/io/packed_stream.h"

namespace moesim::workloads {
namespace {

using Json = nlohmann::json;

constexpr int kMostDepth = 100;

class Adapter final : public nlohmann::json_sax<Json> {
 public:
  Adapter(std::string name, JsonEvents& events) : name_(std::move(name)), events_(events) {}

  bool null() override { return other(); }
  bool boolean(bool) override { return other(); }
  bool number_integer(number_integer_t value) override {
    need_record("a number");
    events_.integer(value);
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    need_record("a number");
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return other();
    events_.integer(static_cast<std::int64_t>(value));
    return true;
  }
  bool number_float(number_float_t, const string_t&) override { return other(); }
  bool string(string_t& value) override {
    need_record("text");
    events_.text(value);
    return true;
  }
  bool binary(binary_t&) override { return other(); }
  bool start_object(std::size_t) override {
    deeper();
    if (depth_ - (top_list_ ? 1 : 0) == 1) {
      events_.begin_record(++record_);
    } else {
      events_.begin_object();
    }
    return true;
  }
  bool key(string_t& name) override {
    events_.key(name);
    return true;
  }
  bool end_object() override {
    if (depth_ - (top_list_ ? 1 : 0) == 1) {
      events_.end_record();
    } else {
      events_.end_object();
    }
    --depth_;
    return true;
  }
  bool start_array(std::size_t) override {
    deeper();
    if (depth_ == 1) {
      top_list_ = true;
    } else {
      need_record("a list");
      events_.begin_list();
    }
    return true;
  }
  bool end_array() override {
    if (depth_ == 1) {
      top_list_ = false;
    } else {
      events_.end_list();
    }
    --depth_;
    return true;
  }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error …"
    const std::string what = error.what();
    const std::size_t at = what.find("] ");
    throw sim::InputError(fmt::format("{}: record {}: {}", name_, record_ + (depth_ == 0 ? 1 : 0),
                                      at == std::string::npos ? what : what.substr(at + 2)));
  }
  // A value is through; nothing is open.
  bool idle() const { return depth_ == 0; }

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
  int depth_ = 0;
  bool top_list_ = false;
  std::uint64_t record_ = 0;
};

// Of one record, unpacked: the parser holds a text twice, thrice as it grows, and one of a gzip may
// go on for ever. A response of 128 k tokens, 60 layers and 8 experts in four bytes takes 330 MB in
// base64.
constexpr std::size_t kMostRecord = std::size_t{352} << 20;

// What another buffer gives, as long as a record is not too large.
class RecordBuffer final : public std::streambuf {
 public:
  RecordBuffer(std::streambuf& from, std::string name) : from_(from), name_(std::move(name)) {}
  void begin_record() { taken_ = 0; }

 protected:
  int_type underflow() override {
    const std::streamsize got =
        from_.sgetn(part_.data(), static_cast<std::streamsize>(part_.size()));
    if (got <= 0) return traits_type::eof();
    taken_ += static_cast<std::size_t>(got);
    if (taken_ > kMostRecord) {
      throw sim::InputError(
          fmt::format("{}: a record of more than {} MiB", name_, kMostRecord >> 20));
    }
    setg(part_.data(), part_.data(), part_.data() + got);
    return traits_type::to_int_type(part_[0]);
  }

 private:
  std::streambuf& from_;
  std::string name_;
  std::size_t taken_ = 0;
  std::array<char, std::size_t{1} << 16> part_;
};

}  // namespace

struct JsonEventReader::State {
  State(const std::filesystem::path& file, JsonEvents& events)
      : packed(file),
        buffer(*packed.rdbuf(), file.string()),
        in(&buffer),
        adapter(file.string(), events) {
    in.exceptions(std::ios::badbit);  // what the buffers throw is not kept from us
  }
  sim::io::PackedStream packed;
  RecordBuffer buffer;
  std::istream in;
  Adapter adapter;
};

JsonEventReader::JsonEventReader(const std::filesystem::path& file, JsonEvents& events)
    : state_(std::make_unique<State>(file, events)) {}

JsonEventReader::~JsonEventReader() = default;

bool JsonEventReader::next() {
  std::istream& in = state_->in;
  state_->buffer.begin_record();
  if (!(in >> std::ws).good() || in.peek() == std::char_traits<char>::eof()) return false;
  Json::sax_parse(in, &state_->adapter, Json::input_format_t::json, false);
  return true;
}

void read_json_events(const std::filesystem::path& file, JsonEvents& events) {
  JsonEventReader reader(file, events);
  while (reader.next()) {
  }
}

}  // namespace moesim::workloads
