#include "tools/moesim/shell_words.h"

#include <algorithm>

namespace moesim::tools {

bool is_positional(const Option& option) {
  return option.name[0] != '-';
}

std::vector<std::string> spellings(const Option& option) {
  std::vector<std::string> names;
  std::size_t start = 0;
  while (start <= option.name.size()) {
    const std::size_t end = std::min(option.name.find(',', start), option.name.size());
    names.push_back(option.name.substr(start, end - start));
    start = end + 1;
  }
  return names;
}

std::map<std::string, std::map<std::string, std::string>> words_after(
    std::span<const Command> commands) {
  std::map<std::string, std::map<std::string, std::string>> words;
  for (const Command& command : commands) {
    std::string before;
    std::size_t start = 0;
    while (start < command.name.size()) {
      const std::size_t end = std::min(command.name.find(' ', start), command.name.size());
      const std::string word = command.name.substr(start, end - start);
      std::string& text = words[before][word];
      if (end == command.name.size()) {
        text = command.summary;
      } else if (text.empty()) {
        text = "commands about a " + word;
      }
      before += (before.empty() ? "" : " ") + word;
      start = end + 1;
    }
  }
  return words;
}

// In single quotes for a shell: ' becomes '\''.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

}  // namespace moesim::tools
