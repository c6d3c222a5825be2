#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tools/moesim/completion.h"
#include "tools/moesim/shell_words.h"

namespace moesim::tools {
namespace {

std::string names_and_files(const Option& option) {
  const std::string kinds = named_kinds(option);
  std::string text = option.is_file ? " -F" : kinds.empty() ? "" : " -f";
  if (!kinds.empty()) text += " -a " + quoted("(__moesim_names " + kinds + ")");
  return text;
}

}  // namespace

std::string fish_completion(std::span<const Command> commands) {
  std::string text =
      "# fish completion of moesim: moesim completion fish > "
      "~/.config/fish/completions/moesim.fish\n"
      "function __moesim_words\n"
      "  # The words of the command so far, without options.\n"
      "  set -l words (commandline -opc)\n"
      "  string match -v -- '-*' $words[2..-1]\n"
      "end\n"
      "function __moesim_at\n"
      "  # Whether exactly these words were typed.\n"
      "  test \"$(__moesim_words)\" = \"$argv\"\n"
      "end\n"
      "function __moesim_in\n"
      "  # Whether these words were typed first.\n"
      "  string match -q -- \"$argv *\" \"$(__moesim_words) \"\n"
      "end\n"
      "function __moesim_names\n"
      "  # What may be named, of some kinds.\n"
      "  for kind in $argv\n"
      "    moesim list $kind 2> /dev/null | string replace -r ' .*' ''\n"
      "  end\n"
      "end\n"
      "complete -c moesim -f\n";
  for (const auto& [before, words] : words_after(commands)) {
    for (const auto& [word, summary] : words) {
      text += fmt::format("complete -c moesim -n {} -a {} -d {}\n",
                          quoted(before.empty() ? "__moesim_at" : "__moesim_at " + before),
                          quoted(word), quoted(summary));
    }
  }
  for (const Command& command : commands) {
    const std::string when = quoted("__moesim_in " + command.name);
    for (const Option& option : command.options) {
      std::string line = fmt::format("complete -c moesim -n {}", when);
      if (is_positional(option)) {
        if (!option.choices.empty()) {
          line += fmt::format(" -a {}", quoted(fmt::format("{}", fmt::join(option.choices, " "))));
        } else if (option.is_file || !named_kinds(option).empty()) {
          line += names_and_files(option);
        } else {
          continue;
        }
        text += line + "\n";
        continue;
      }
      for (const std::string& name : spellings(option)) {
        line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (!option.value.empty()) line += " -r";
      if (!option.choices.empty()) {
        line += fmt::format(" -f -a {}", quoted(fmt::format("{}", fmt::join(option.choices, " "))));
      } else {
        line += names_and_files(option);
      }
      text += fmt::format("{} -d {}\n", line, quoted(option.help));
    }
  }
  return text;
}

}  // namespace moesim::tools
