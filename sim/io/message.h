// Pieces that the readers' messages are made of.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace moesim::sim::io {

// At most `most` bytes of the text, fit to be printed: control characters and bytes that are no
// UTF-8 as \xNN, "…" in place of the rest.
std::string printable(std::string_view text, std::size_t most);

// A found text in quotes, printable, at most 60 bytes of it.
std::string quote(std::string_view text);

// "; did you mean "bandwidth"?", or nothing where no known name is close.
std::string suggestion(std::string_view found, std::span<const std::string_view> known);

}  // namespace moesim::sim::io
