#include "tools/moesim/sweep/script_text.h"

#include <algorithm>

#include "tools/moesim/shell_words.h"

namespace moesim::tools {

std::string filled(std::string_view script,
                   const std::vector<std::pair<std::string_view, std::string>>& fields) {
  std::string text;
  for (std::string_view rest = script; !rest.empty();) {
    const std::size_t at = std::min(rest.find('@'), rest.size());
    text += rest.substr(0, at);
    rest.remove_prefix(at);
    if (rest.empty()) break;
    const std::string_view after = rest.substr(1);
    const auto field = std::ranges::find_if(fields, [&](const auto& f) {
      return after.starts_with(f.first) && after.substr(f.first.size()).starts_with('@');
    });
    text += field == fields.end() ? "@" : field->second;
    rest.remove_prefix(field == fields.end() ? 1 : field->first.size() + 2);
  }
  return text;
}

std::string words_text(const std::vector<std::string>& words, std::string_view before) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ' ';
    text += quoted(word);
  }
  return text.empty() ? text : std::string(before) + text;
}

}  // namespace moesim::tools
