#include "tools/moesim/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <ostream>
#include <set>

namespace moesim::tools {
namespace {

bool is_positional(const Option& option) {
  return option.name[0] != '-';
}

// "-o,--output" -> {"-o", "--output"}
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

// The commands as a tree of words: "" -> {run, trace}, "trace" -> {info, make}. A word's text is
// its summary; a group has the list of what is in it.
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

std::string bash_completion(std::span<const Command> commands) {
  std::string text =
      "# bash completion of moesim: source <(moesim completion bash)\n"
      "_moesim() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local command= word words= files=\n"
      "  COMPREPLY=()\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \"$command $word\" in\n";
  std::set<std::string> known;
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
    for (const Option& option : command.options) {
      if (is_positional(option)) {
        files = files || option.is_file;
        for (const std::string& choice : option.choices) names.push_back(choice);
      } else {
        for (const std::string& name : spellings(option)) names.push_back(name);
      }
    }
    names.emplace_back("--help");
    text +=
        fmt::format("    {}) words={}{} ;;\n", quoted(command.name),
                    quoted(fmt::format("{}", fmt::join(names, " "))), files ? " files=yes" : "");
  }
  text +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  if [[ -n $files && $current != -* ]]; then\n"
      "    COMPREPLY+=($(compgen -f -- \"$current\"))\n"
      "  fi\n"
      "}\n"
      "complete -o filenames -F _moesim moesim\n";
  return text;
}

std::string zsh_completion(std::span<const Command> commands) {
  std::string text =
      "#compdef moesim\n# zsh completion of moesim: moesim completion zsh > _moesim, in a folder "
      "of $fpath\n\n";
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
        } else if (option.is_file) {
          line += " -F";
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
      } else if (option.is_file) {
        line += " -F";
      }
      text += fmt::format("{} -d {}\n", line, quoted(option.help));
    }
  }
  return text;
}

Command completion_command() {
  return {.name = "completion",
          .summary = "prints what a shell needs to complete moesim's command lines",
          .description =
              "For bash: source <(moesim completion bash). For zsh: moesim completion "
              "zsh > _moesim in a folder of $fpath. For fish: moesim completion fish > "
              "~/.config/fish/completions/moesim.fish.",
          .options = {{.name = "SHELL",
                       .value = "",
                       .help = "which shell",
                       .required = true,
                       .choices = {"bash", "zsh", "fish"}}},
          .examples = {"source <(moesim completion bash)"},
          .run = [](const Arguments& arguments, Console console) {
            const std::string shell = arguments.text("SHELL");
            console.out << (shell == "bash"  ? bash_completion(commands())
                            : shell == "zsh" ? zsh_completion(commands())
                                             : fish_completion(commands()));
            return sim::ExitCode::Ok;
          }};
}

}  // namespace moesim::tools
