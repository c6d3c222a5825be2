#include "tools/moesim/completion.h"

#include <array>
#include <ostream>
#include <utility>

namespace moesim::tools {

std::string named_kinds(const Option& option) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kKinds{
      {{"SCENARIO", "scenarios"},
       {"INPUT", "scenarios"},
       {"MODEL", "models"},
       {"CLUSTER", "clusters"},
       {"DEVICE", "devices"},
       {"ENGINE", "engines"},
       {"TRACE", "traces"},
       {"GPU[=PRICE]", "clusters devices"}}};
  if (option.is_output || !option.choices.empty()) return {};
  const bool positional = !option.name.starts_with('-');
  for (const auto& [name, kinds] : kKinds)
    if (name == (positional ? option.name : option.value)) return std::string(kinds);
  return {};
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
