#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tools/moesim/completion.h"
#include "tools/moesim/shell_words.h"

namespace moesim::tools {

namespace {

// For zsh's _arguments and _describe, where a colon ends a field and brackets hold the help.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string function_name(const std::string& command) {
  std::string name = "_moesim";
  for (const char c : command.empty() ? "" : "_" + command) {
    name += (c == ' ' || c == '-') ? '_' : c;
  }
  return name;
}

std::string zsh_action(const Option& option) {
  if (!option.choices.empty()) return fmt::format("({})", fmt::join(option.choices, " "));
  const std::string kinds = named_kinds(option);
  if (!kinds.empty())
    return fmt::format("{{_moesim_names {}{}}}", kinds, option.is_file ? "; _files" : "");
  return option.is_file ? "_files" : " ";
}

std::string zsh_options(const Command& command) {
  std::string text = "  _arguments -s -S \\\n";
  for (const Option& option : command.options) {
    const std::string again = option.repeated ? "*" : "";
    if (is_positional(option)) {
      text += fmt::format("    {} \\\n", quoted(fmt::format("{}:{}:{}", again, escaped(option.name),
                                                            zsh_action(option))));
      continue;
    }
    const std::string value =
        option.value.empty() ? ""
                             : fmt::format(":{}:{}", escaped(option.value), zsh_action(option));
    for (const std::string& name : spellings(option)) {
      text +=
          fmt::format("    {} \\\n",
                      quoted(fmt::format("{}{}[{}]{}", again, name, escaped(option.help), value)));
    }
  }
  return text + "    '(-h --help)'{-h,--help}'[help on this command]'\n";
}

}  // namespace

std::string zsh_completion(std::span<const Command> commands) {
  std::string text =
      "#compdef moesim\n# zsh completion of moesim: moesim completion zsh > _moesim, in a folder "
      "of $fpath\n\n"
      "_moesim_names() {\n"
      "  local kind\n"
      "  local -a names\n"
      "  for kind in \"$@\"; do\n"
      "    names+=(${${(f)\"$(moesim list $kind 2> /dev/null)\"}%% *})\n"
      "  done\n"
      "  compadd -a names\n"
      "}\n\n";
  for (const auto& [before, words] : words_after(commands)) {
    text += fmt::format(
        "{}() {{\n"
        "  local -a words_here\n"
        "  words_here=(\n",
        function_name(before));
    for (const auto& [word, summary] : words) {
      text += fmt::format("    {}\n", quoted(escaped(word) + ":" + escaped(summary)));
    }
    text +=
        "  )\n"
        "  if (( CURRENT == 2 )); then\n"
        "    _describe 'command' words_here\n"
        "    return\n"
        "  fi\n"
        "  local word=$words[2]\n"
        "  shift words\n"
        "  (( CURRENT-- ))\n"
        "  case $word in\n";
    for (const auto& [word, summary] : words) {
      text += fmt::format("    {}) {} ;;\n", quoted(word),
                          function_name(before.empty() ? word : before + " " + word));
    }
    text += "  esac\n}\n\n";
  }
  for (const Command& command : commands) {
    text += fmt::format("{}() {{\n{}}}\n\n", function_name(command.name), zsh_options(command));
  }
  return text + "compdef _moesim moesim\n";
}

}  // namespace moesim::tools
