// A Hugging Face config.json, read with care: typed values under any of several spellings, every
// mistake noted, every key that was looked at remembered.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/io/json.h"

namespace moesim::workloads {

inline constexpr std::int64_t kMostWidth = std::int64_t{1} << 24;
inline constexpr std::int64_t kMostTokens = std::int64_t{1} << 40;
inline constexpr std::int64_t kMostLayers = 10'000;

// Like YamlNode: reading notes mistakes and goes on; throw_mistakes() ends it.
class HfConfig {
 public:
  using Keys = std::initializer_list<std::string_view>;

  // `object` must outlive this. `name` is the file in messages.
  HfConfig(const sim::io::Json& object, std::string name);

  // The value under the first of the spellings that says something. As Python's writers spell it, a
  // list of one is its item, and false, or 0 where counts begin at 1, is "absent". Spellings that
  // both say something and differ are a mistake; for those that mean different things use `either`.
  std::optional<std::int64_t> integer(Keys keys, std::int64_t least, std::int64_t most) const;
  std::optional<double> number(Keys keys, double least, double most) const;
  std::optional<bool> flag(Keys keys) const;
  std::optional<std::string> text(Keys keys) const;
  std::vector<std::int64_t> integers(std::string_view key, std::int64_t most) const;
  std::vector<std::string> texts(std::string_view key) const;
  // An object within this one: what is read from it is named "text_config.hidden_size".
  std::optional<HfConfig> child(std::string_view key) const;
  bool has(std::string_view key) const;    // there, and neither null, false nor 0
  bool given(std::string_view key) const;  // there and not null
  // The first of the spellings that says something; of none the first.
  std::string_view spelled(Keys keys) const;
  // Of keys that mean nearly the same (modules trained, modules shipped) the first that says
  // something; the others that differ are appended to `differ`: "num_mtp_modules is 7".
  std::optional<std::int64_t> either(Keys keys, std::int64_t least, std::int64_t most,
                                     std::vector<std::string>& differ) const;
  bool is_list(std::string_view key) const;
  bool is_text(std::string_view key) const;

  // A count from 1; notes a mistake where none of the spellings is there.
  std::int64_t required(Keys keys, std::int64_t most = kMostWidth) const;

  void mistake(std::string_view key, const std::string& message) const;
  bool failed() const;
  // Throws ConfigError with every mistake, a line each.
  void throw_mistakes() const;

  // Keys of this object that nobody asked for, in the file's order, null, false, 0 and empty
  // values left out.
  std::vector<std::string> unread() const;
  const sim::io::Json& json() const { return *object_; }

 private:
  struct Shared;
  HfConfig(const sim::io::Json& object, std::string prefix, std::shared_ptr<Shared> shared);
  const sim::io::Json* find(std::string_view key) const;
  // The first spelling that says something; its name in `found`. Null, and what `absent` takes,
  // says nothing.
  using Absent = bool (*)(const sim::io::Json&);
  const sim::io::Json* first(Keys keys, std::string& found, Absent absent) const;
  std::optional<std::int64_t> whole_number(Keys keys, std::int64_t least, std::int64_t most,
                                           Absent absent) const;

  const sim::io::Json* object_;
  std::string prefix_;
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<std::set<std::string, std::less<>>> read_;
};

}  // namespace moesim::workloads
