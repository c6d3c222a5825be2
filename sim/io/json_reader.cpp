#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "sim/io/json.h"
#include "sim/io/message.h"

namespace moesim::sim::io {
namespace {

// Walks over a text and tells how far it has come.
class Reader {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Reader(const char* at, const char** seen) : at_(at), seen_(seen) {}
  reference operator*() const { return *at_; }
  Reader& operator++() {
    *seen_ = ++at_;
    return *this;
  }
  Reader operator++(int) {
    const Reader before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Reader& other) const { return at_ == other.at_; }
  bool operator!=(const Reader& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** seen_;
};

// Builds the value from the parser's events. ordered_json would search all keys of an object for
// each key that is added; here a set finds the doubled ones.
class Builder : public nlohmann::json_sax<Json> {
 public:
  // `grown`: places after which the text is a character longer than the file's.
  Builder(std::string_view text, const std::string& name, const JsonLimits& limits,
          const std::vector<std::size_t>& grown)
      : text_(text), name_(name), limits_(limits), grown_(grown), seen_(text.data()) {}

  Json build() {
    const char* const end = text_.data() + text_.size();
    Json::sax_parse(Reader(text_.data(), &seen_), Reader(end, &seen_), this);
    return std::move(root_);
  }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON text has none

  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }

  bool key(string_t& key) override {
    if (!levels_.back().keys.insert(key).second) {
      fail(start_of_key(), fmt::format("key {} is given twice", quote(key)));
    }
    levels_.back().key = std::move(key);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 3, column 17: syntax error …"
    std::string_view why = error.what();
    why.remove_prefix(std::min(why.find("] ") + 2, why.size()));
    if (why.starts_with("parse error at")) why.remove_prefix(why.find(": ") + 2);
    fail(std::min(position == 0 ? 0 : position - 1, text_.size()),
         fmt::format("not JSON: {}", printable(why, 200)));
  }

 private:
  struct Level {
    Json* value = nullptr;
    std::string key;  // that the next value belongs to
    std::unordered_set<std::string> keys = {};
  };

  std::size_t offset() const { return static_cast<std::size_t>(seen_ - text_.data()); }

  // The parser has just passed the quote that ends a key. Inside, a quote has an odd number of
  // backslashes before it.
  std::size_t start_of_key() const {
    std::size_t at = offset() - 1;
    for (;;) {
      at = text_.rfind('"', at - 1);
      std::size_t slashes = 0;
      while (slashes < at && text_[at - slashes - 1] == '\\') ++slashes;
      if (slashes % 2 == 0) return at;
    }
  }

  [[noreturn]] void fail(std::size_t place, const std::string& why) const {
    const std::string_view before = text_.substr(0, place);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t newline = before.rfind('\n');
    const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    const auto longer = std::count_if(grown_.begin(), grown_.end(),
                                      [&](std::size_t at) { return at >= start && at < place; });
    const std::size_t column = place + 1 - start - static_cast<std::size_t>(longer);
    throw InputError(fmt::format("{}:{}:{}: {}", name_, line, column, why));
  }

  template <typename T>
  bool add(T&& value) {
    place(Json(std::forward<T>(value)));
    return true;
  }

  Json* place(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Level& level = levels_.back();
    if (level.value->is_array()) {
      auto& items = level.value->get_ref<Json::array_t&>();
      items.push_back(std::move(value));
      return &items.back();
    }
    auto& pairs = level.value->get_ref<Json::object_t&>();
    pairs.emplace_back(std::move(level.key), std::move(value));
    return &pairs.back().second;
  }

  bool open(Json value) {
    if (levels_.size() >= limits_.depth) {
      fail(offset() - 1, fmt::format("nested deeper than {} levels", limits_.depth));
    }
    Json* placed = place(std::move(value));
    levels_.push_back({placed, {}});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  std::string_view text_;
  const std::string& name_;
  const JsonLimits& limits_;
  const std::vector<std::size_t>& grown_;
  const char* seen_;
  Json root_;
  std::vector<Level> levels_;
};

// Python's json module writes numbers that are none as Infinity, -Infinity and NaN, which JSON does
// not know. They say nothing, as null does. Text within quotes stays as it is.
std::string without_infinities(std::string_view text, std::vector<std::size_t>& grown) {
  std::string plain;
  plain.reserve(text.size());
  bool quoted = false;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const std::string_view rest = text.substr(i);
    if (!quoted && rest.starts_with("NaN")) {
      plain += "null";
      grown.push_back(plain.size() - 1);
      i += 3;
    } else if (!quoted && (rest.starts_with("Infinity") || rest.starts_with("-Infinity"))) {
      const std::size_t length = c == '-' ? 9 : 8;
      plain.append("null").append(length - 4, ' ');
      i += length;
    } else if (quoted && c == '\\' && i + 1 < text.size()) {
      plain.append(text.substr(i, 2));
      i += 2;
    } else {
      quoted = quoted != (c == '"');
      plain += c;
      ++i;
    }
  }
  return plain;
}

}  // namespace

Json parse_json(std::string_view text, const std::string& name, const JsonLimits& limits) {
  if (text.size() > limits.bytes) {
    throw InputError(fmt::format("{}: holds more than {} bytes, which is the most that is read",
                                 name, limits.bytes));
  }
  std::vector<std::size_t> grown;
  if (text.find("NaN") == std::string_view::npos &&
      text.find("Infinity") == std::string_view::npos) {
    return Builder(text, name, limits, grown).build();
  }
  const std::string plain = without_infinities(text, grown);
  return Builder(plain, name, limits, grown).build();
}

Json read_json(const std::filesystem::path& file, const JsonLimits& limits) {
  return parse_json(read_text(file, limits.bytes), file.string(), limits);
}

}  // namespace moesim::sim::io
