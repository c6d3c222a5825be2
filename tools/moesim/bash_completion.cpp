#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tools/moesim/completion.h"
#include "tools/moesim/shell_words.h"

namespace moesim::tools {

std::string bash_completion(std::span<const Command> commands) {
  std::string text =
      "# bash completion of moesim: source <(moesim completion bash)\n"
      "_moesim_names() {\n"
      "  local kind name rest\n"
      "  for kind in \"$@\"; do\n"
      "    \"${COMP_WORDS[0]}\" list \"$kind\" 2> /dev/null |\n"
      "      while read -r name rest; do printf '%s\\n' \"$name\"; done\n"
      "  done\n"
      "}\n"
      "_moesim() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local command= word words= files= kinds=\n"
      "  COMPREPLY=()\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \"$command $word\" in\n";
  const auto tree = words_after(commands);
  for (const auto& [before, words] : tree) {
    for (const auto& [word, summary] : words) {
      const std::string whole = before.empty() ? word : before + " " + word;
      text += fmt::format("      {}) command={} ;;\n", quoted(before + " " + word), quoted(whole));
    }
  }
  text +=
      "    esac\n"
      "  done\n"
      "  case \"$command:$previous\" in\n";
  for (const Command& command : commands) {
    for (const Option& option : command.options) {
      if (is_positional(option) || option.value.empty()) continue;
      std::string patterns;
      for (const std::string& name : spellings(option)) {
        patterns += (patterns.empty() ? "" : "|") + quoted(command.name + ":" + name);
      }
      const std::string reply =
          !option.choices.empty()
              ? fmt::format("COMPREPLY=($(compgen -W {} -- \"$current\"))",
                            quoted(fmt::format("{}", fmt::join(option.choices, " "))))
          : !named_kinds(option).empty()
              ? fmt::format("COMPREPLY=($(compgen -W \"$(_moesim_names {})\" -- \"$current\"){})",
                            named_kinds(option),
                            option.is_file ? " $(compgen -f -- \"$current\")" : "")
          : option.is_file ? "COMPREPLY=($(compgen -f -- \"$current\"))"
                           : "COMPREPLY=()";
      text += fmt::format("    {}) {}; return ;;\n", patterns, reply);
    }
  }
  text +=
      "  esac\n"
      "  case \"$command\" in\n";
  for (const auto& [before, words] : tree) {
    std::vector<std::string> names;
    for (const auto& [word, summary] : words) names.push_back(word);
    text += fmt::format("    {}) words={} ;;\n", quoted(before),
                        quoted(fmt::format("{}{} --help", fmt::join(names, " "),
                                           before.empty() ? " --version" : "")));
  }
  for (const Command& command : commands) {
    std::vector<std::string> names;
    bool files = false;
    std::string kinds;
    for (const Option& option : command.options) {
      if (is_positional(option)) {
        files = files || option.is_file;
        if (kinds.empty()) kinds = named_kinds(option);
        for (const std::string& choice : option.choices) names.push_back(choice);
      } else {
        for (const std::string& name : spellings(option)) names.push_back(name);
      }
    }
    names.emplace_back("--help");
    text += fmt::format("    {}) words={}{}{} ;;\n", quoted(command.name),
                        quoted(fmt::format("{}", fmt::join(names, " "))), files ? " files=yes" : "",
                        kinds.empty() ? "" : " kinds=" + quoted(kinds));
  }
  text +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  if [[ -n $kinds && $current != -* ]]; then\n"
      "    COMPREPLY+=($(compgen -W \"$(_moesim_names $kinds)\" -- \"$current\"))\n"
      "  fi\n"
      "  if [[ -n $files && $current != -* ]]; then\n"
      "    COMPREPLY+=($(compgen -f -- \"$current\"))\n"
      "  fi\n"
      "}\n"
      "complete -o filenames -F _moesim moesim\n";
  return text;
}

}  // namespace moesim::tools
