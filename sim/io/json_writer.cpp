#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "sim/io/json.h"

namespace moesim::sim::io {
namespace {

class Writer {
 public:
  std::string write(const Json& value) {
    add(value, 0);
    text_ += '\n';
    return std::move(text_);
  }

 private:
  void add(const Json& value, std::size_t depth) {
    switch (value.type()) {
      case Json::value_t::object:
        return add_object(value, depth);
      case Json::value_t::array:
        return add_array(value, depth);
      case Json::value_t::string:
        return add_string(value.get_ref<const std::string&>());
      case Json::value_t::number_float:
        return add_double(value.get<double>());
      case Json::value_t::number_unsigned:
        text_ += fmt::format_int(value.get<std::uint64_t>()).c_str();
        return;
      case Json::value_t::number_integer:
        text_ += fmt::format_int(value.get<std::int64_t>()).c_str();
        return;
      case Json::value_t::boolean:
        text_ += value.get<bool>() ? "true" : "false";
        return;
      default:
        text_ += "null";
        return;
    }
  }

  void line(std::size_t depth) {
    text_ += '\n';
    text_.append(2 * depth, ' ');
  }

  void add_object(const Json& value, std::size_t depth) {
    if (value.empty()) {
      text_ += "{}";
      return;
    }
    const char* separator = "{";
    path_.push_back({});
    for (const auto& [key, member] : value.items()) {
      text_ += separator;
      separator = ",";
      line(depth + 1);
      add_string(key);
      text_ += ": ";
      path_.back().key = &key;
      add(member, depth + 1);
    }
    path_.pop_back();
    line(depth);
    text_ += '}';
  }

  void add_array(const Json& value, std::size_t depth) {
    const bool one_line =
        std::all_of(value.begin(), value.end(), [](const Json& item) { return item.is_number(); });
    path_.push_back({});
    text_ += '[';
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (i > 0) text_ += one_line ? ", " : ",";
      if (!one_line) line(depth + 1);
      path_.back().item = i;
      add(value[i], depth + 1);
    }
    path_.pop_back();
    if (!one_line) line(depth);
    text_ += ']';
  }

  void add_string(const std::string& value) {
    // What is no UTF-8 (a file's name may be anything) is written as U+FFFD.
    text_ += Json(value).dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  void add_double(double value) {
    if (!std::isfinite(value)) {
      throw ConfigError(fmt::format(
          "{}: {} cannot be written as JSON, which has finite numbers only", path_text(), value));
    }
    std::array<char, 32> digits;
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    const std::string_view written(digits.data(), static_cast<std::size_t>(end - digits.data()));
    text_ += written;
    // So that it is read back as a real number.
    if (written.find_first_of(".e") == std::string_view::npos) text_ += ".0";
  }

  std::string path_text() const {
    std::string text;
    for (const Step& step : path_) {
      if (step.key == nullptr) {
        text += fmt::format("[{}]", step.item);
      } else {
        text += (text.empty() ? "" : ".") + *step.key;
      }
    }
    return text.empty() ? "the value" : text;
  }

  // A key, or the place in a list.
  struct Step {
    const std::string* key = nullptr;
    std::size_t item = 0;
  };

  std::string text_;
  std::vector<Step> path_;  // to the value being written, for messages
};

}  // namespace

std::string to_text(const Json& value) {
  return Writer().write(value);
}

}  // namespace moesim::sim::io
