// JSON, by nlohmann/json: objects keep the order in which keys were added, numbers are written
// with the fewest digits that read back to the same value. Include <nlohmann/json.hpp> where a
// value is built or taken apart; this header only names the type.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace moesim::sim::io {

using Json = nlohmann::ordered_json;

// What a JSON input may hold at most; a larger or deeper one is refused before it is built.
struct JsonLimits {
  std::size_t bytes = std::size_t{64} << 20;
  std::size_t depth = 100;
};

// Throws InputError "config.json:3:17: …" where the text is not JSON, gives a key twice, or is over
// the limits.
Json parse_json(std::string_view text, const std::string& name, const JsonLimits& limits = {});
Json read_json(const std::filesystem::path& file, const JsonLimits& limits = {});

// Two spaces an indent, a trailing newline; lists of plain numbers on one line. The same bytes for
// the same value, on every machine. Throws ConfigError where a number is not finite.
std::string to_text(const Json& value);

}  // namespace moesim::sim::io
