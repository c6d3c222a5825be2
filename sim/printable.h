// Text from anywhere, fit to be shown on a terminal.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

namespace moesim::sim {

// At most `most` bytes of the text; control characters and bytes that are no UTF-8 as \xNN (a
// newline as \n), those that only turn the direction of others as \u202e, "…" in place of the rest.
// `lines`: the text may have several.
std::string printable(std::string_view text,
                      std::size_t most = std::numeric_limits<std::size_t>::max(),
                      bool lines = false);

}  // namespace moesim::sim
