// Scripts as text with named fields in @, so that a shell's own braces and dollars stay as they
// are.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace moesim::tools {

// "@store@" becomes what the fields have for `store`; an @ that names no field stays. What is put
// in is not looked at again.
std::string filled(std::string_view text,
                   const std::vector<std::pair<std::string_view, std::string>>& fields);

// Each in single quotes, `before` in front where there is any.
std::string words_text(const std::vector<std::string>& words, std::string_view before);

}  // namespace moesim::tools
