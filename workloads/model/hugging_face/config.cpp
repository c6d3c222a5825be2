#include "workloads/model/hugging_face/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "sim/printable.h"

namespace moesim::workloads {

using sim::io::Json;

struct HfConfig::Shared {
  std::string name;
  std::vector<std::string> mistakes;
};

namespace {

// A value in a message: short, and on one line.
std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 40) text = text.substr(0, 37) + "...";
  return text;
}

std::optional<std::int64_t> whole(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto n = value.get<std::uint64_t>();
    if (n > static_cast<std::uint64_t>(INT64_MAX)) return {};
    return static_cast<std::int64_t>(n);
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number_float()) {  // 32768.0; every whole number below 2^53 is exact
    const double n = value.get<double>();
    if (std::abs(n) < 9007199254740992.0 && n == std::floor(n)) return static_cast<std::int64_t>(n);
  }
  return {};
}

bool never(const Json&) {
  return false;
}
bool is_false(const Json& value) {
  return value.is_boolean() && !value.get<bool>();
}
bool is_zero(const Json& value) {
  return is_false(value) || (value.is_number() && value.get<double>() == 0);
}

}  // namespace

HfConfig::HfConfig(const Json& object, std::string name)
    : HfConfig(object, "", std::make_shared<Shared>()) {
  shared_->name = std::move(name);
}

HfConfig::HfConfig(const Json& object, std::string prefix, std::shared_ptr<Shared> shared)
    : object_(&object),
      prefix_(std::move(prefix)),
      shared_(std::move(shared)),
      read_(std::make_shared<std::set<std::string, std::less<>>>()) {}

const Json* HfConfig::find(std::string_view key) const {
  read_->emplace(key);
  const auto found = object_->find(std::string(key));
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

const Json* HfConfig::first(Keys keys, std::string& found, Absent absent) const {
  const Json* value = nullptr;
  for (const std::string_view key : keys) {
    const Json* candidate = find(key);
    if (candidate == nullptr) continue;
    if (candidate->is_array() && candidate->size() == 1) candidate = &candidate->front();
    const bool empty = candidate->is_array() && candidate->empty();
    if (empty || candidate->is_null() || absent(*candidate)) continue;
    if (value == nullptr) {
      value = candidate;
      found = key;
    } else if (*value != *candidate) {
      mistake(key, fmt::format("{}, but {} is {}", shown(*candidate), found, shown(*value)));
    }
  }
  return value;
}

bool HfConfig::has(std::string_view key) const {
  const Json* value = find(key);
  return value != nullptr && !is_zero(*value);
}

bool HfConfig::given(std::string_view key) const {
  return find(key) != nullptr;
}

std::string_view HfConfig::spelled(Keys keys) const {
  const auto* const found = std::ranges::find_if(keys, [&](auto key) { return has(key); });
  return found == keys.end() ? *keys.begin() : *found;
}

bool HfConfig::is_list(std::string_view key) const {
  const Json* value = find(key);
  return value != nullptr && value->is_array();
}

bool HfConfig::is_text(std::string_view key) const {
  const Json* value = find(key);
  return value != nullptr && value->is_string();
}

std::optional<std::int64_t> HfConfig::integer(Keys keys, std::int64_t least,
                                              std::int64_t most) const {
  return whole_number(keys, least, most, least > 0 ? is_zero : is_false);
}

std::optional<std::int64_t> HfConfig::either(Keys keys, std::int64_t least, std::int64_t most,
                                             std::vector<std::string>& differ) const {
  std::optional<std::int64_t> chosen;
  for (const std::string_view key : keys) {
    const auto value = integer({key}, least, most);
    if (!chosen) {
      chosen = value;
    } else if (value && *value != *chosen) {
      differ.push_back(fmt::format("{} is {}", key, *value));
    }
  }
  return chosen;
}

std::optional<std::int64_t> HfConfig::whole_number(Keys keys, std::int64_t least, std::int64_t most,
                                                   Absent absent) const {
  std::string key;
  const Json* value = first(keys, key, absent);
  if (value == nullptr) return {};
  const auto n = whole(*value);
  if (!n || *n < least || *n > most) {
    mistake(key, fmt::format("expected a whole number from {} to {}, not {}", least, most,
                             shown(*value)));
    return {};
  }
  return n;
}

std::optional<double> HfConfig::number(Keys keys, double least, double most) const {
  std::string key;
  const Json* value = first(keys, key, is_false);
  if (value == nullptr) return {};
  const double n = value->is_number() ? value->get<double>() : NAN;
  if (!(n >= least && n <= most)) {
    mistake(key,
            fmt::format("expected a number from {} to {}, not {}", least, most, shown(*value)));
    return {};
  }
  return n;
}

std::optional<bool> HfConfig::flag(Keys keys) const {
  std::string key;
  const Json* value = first(keys, key, never);
  if (value == nullptr) return {};
  if (value->is_number_integer() && (*value == 0 || *value == 1)) return *value == 1;
  if (!value->is_boolean()) {
    mistake(key, fmt::format("expected true or false, not {}", shown(*value)));
    return {};
  }
  return value->get<bool>();
}

std::optional<std::string> HfConfig::text(Keys keys) const {
  std::string key;
  const Json* value = first(keys, key, is_false);
  if (value == nullptr) return {};
  if (!value->is_string()) {
    mistake(key, fmt::format("expected a text, not {}", shown(*value)));
    return {};
  }
  return value->get<std::string>();
}

std::vector<std::int64_t> HfConfig::integers(std::string_view key, std::int64_t most) const {
  const Json* value = find(key);
  if (value == nullptr) return {};
  std::vector<std::int64_t> list;
  if (is_false(*value)) return {};
  if (!value->is_array()) {
    mistake(key, fmt::format("expected a list of whole numbers, not {}", shown(*value)));
    return {};
  }
  for (const Json& item : *value) {
    const auto n = item.is_boolean() ? (item.get<bool>() ? 1 : 0) : whole(item);
    if (!n || *n < 0 || *n > most) {
      mistake(key, fmt::format("expected whole numbers from 0 to {}, not {}", most, shown(item)));
      return {};
    }
    list.push_back(*n);
  }
  return list;
}

std::vector<std::string> HfConfig::texts(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return {};
  std::vector<std::string> list;
  if (is_false(*value)) return {};
  if (!value->is_array()) {
    mistake(key, fmt::format("expected a list of texts, not {}", shown(*value)));
    return {};
  }
  for (const Json& item : *value) {
    if (!item.is_string()) {
      mistake(key, fmt::format("expected texts, not {}", shown(item)));
      return {};
    }
    list.push_back(item.get<std::string>());
  }
  return list;
}

std::optional<HfConfig> HfConfig::child(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr || is_false(*value)) return {};
  if (!value->is_object()) {
    mistake(key, fmt::format("expected an object, not {}", shown(*value)));
    return {};
  }
  return HfConfig(*value, fmt::format("{}{}.", prefix_, key), shared_);
}

std::int64_t HfConfig::required(Keys keys, std::int64_t most) const {
  // Where the number must be, 0 is no way to leave it out.
  std::string found;
  if (first(keys, found, is_false) != nullptr)
    return whole_number(keys, 1, most, is_false).value_or(1);
  std::string others;
  for (const std::string_view key : keys) {
    if (key != *keys.begin()) others += fmt::format("{}{}", others.empty() ? "" : ", ", key);
  }
  mistake(*keys.begin(),
          others.empty() ? "missing" : fmt::format("missing (nor is {} there)", others));
  return 1;
}

void HfConfig::mistake(std::string_view key, const std::string& message) const {
  std::string text =
      shared_->name + ": " + sim::printable(fmt::format("{}{}: {}", prefix_, key, message));
  auto& mistakes = shared_->mistakes;
  const bool told = std::find(mistakes.begin(), mistakes.end(), text) != mistakes.end();
  if (!told && mistakes.size() < 50) mistakes.push_back(std::move(text));
}

bool HfConfig::failed() const {
  return !shared_->mistakes.empty();
}

void HfConfig::throw_mistakes() const {
  if (shared_->mistakes.empty()) return;
  std::string text;
  for (const std::string& mistake : shared_->mistakes) text += (text.empty() ? "" : "\n") + mistake;
  throw sim::ConfigError(text);
}

std::vector<std::string> HfConfig::unread() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object_->items()) {
    const bool neutral = value.is_null() || (value.is_boolean() && !value.get<bool>()) ||
                         (value.is_number() && value.get<double>() == 0) ||
                         (value.is_string() && value.get_ref<const std::string&>().empty()) ||
                         (value.is_structured() && value.empty());
    if (!neutral && !read_->contains(key)) keys.push_back(key);
  }
  return keys;
}

}  // namespace moesim::workloads
