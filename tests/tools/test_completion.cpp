#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tests/support/call_command.h"
#include "tests/support/temporary_folder.h"
#include "tools/moesim/completion.h"

using moesim::tests::TemporaryFolder;
using moesim::tools::Command;

namespace {

std::vector<Command> table() {
  return {
      {.name = "run",
       .summary = "runs a scenario",
       .description = "",
       .options =
           {{.name = "SCENARIO",
             .value = "",
             .help = "what to run",
             .required = true,
             .is_file = true},
            {.name = "-o,--output", .value = "FILE", .help = "where to", .is_file = true},
            {.name = "--model", .value = "MODEL", .help = "of what", .is_file = true},
            {.name = "--gpu", .value = "GPU[=PRICE]", .help = "on what", .repeated = true},
            {.name = "--format",
             .value = "FORMAT",
             .help = "how",
             .fallback = "text",
             .choices = {"text", "json"}},
            {.name = "--set", .value = "K=V", .help = "it's a [value]: replaced", .repeated = true},
            {.name = "--quiet", .value = "", .help = "says less"}},
       .examples = {"moesim run a.yaml"},
       .run = {}},
      {.name = "trace info",
       .summary = "what a trace holds",
       .description = "",
       .options = {},
       .examples = {},
       .run = {}},
      {.name = "trace make",
       .summary = "makes one",
       .description = "",
       .options = {},
       .examples = {},
       .run = {}}};
}

std::set<std::string> lines_of(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  char part[256];
  while (std::fgets(part, sizeof part, pipe) != nullptr) text += part;
  CHECK(pclose(pipe) == 0);
  std::set<std::string> lines;
  std::size_t start = 0;
  while (start < text.size()) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    if (end > start) lines.insert(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

// What `moesim list` says here.
constexpr const char* kListed =
    "moesim() { case \"$1 $2\" in \"list models\") echo \"mixtral-8x7b  of 8 experts\"; "
    "echo \"qwen3-30b  of 128\";; \"list scenarios\") echo \"mixtral-decode  a step\";; "
    "\"list clusters\") echo \"h100-1x8  8 GPUs\";; \"list devices\") echo \"h200  141 GB\";; "
    "esac; }; ";

// What bash offers after these words, the last of which is being typed.
std::set<std::string> bash_offers(const std::string& words) {
  const TemporaryFolder folder;
  folder.file("moesim.bash", moesim::tools::bash_completion(table()));
  folder.file("a.yaml", "");
  return lines_of("cd " + folder.path().string() + " && bash -c 'source ./moesim.bash; " + kListed +
                  "COMP_WORDS=(" + words +
                  "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _moesim; printf \"%s\\n\" "
                  "\"${COMPREPLY[@]}\"'");
}

using Words = std::set<std::string>;

}  // namespace

TEST_CASE("bash offers commands, then the commands of a group") {
  CHECK(bash_offers("moesim \"\"") == Words{"run", "trace", "--help", "--version"});
  CHECK(bash_offers("moesim tr") == Words{"trace"});
  CHECK(bash_offers("moesim trace \"\"") == Words{"info", "make", "--help"});
  CHECK(bash_offers("moesim trace m") == Words{"make"});
}

TEST_CASE("bash offers a command's options, their choices and files") {
  CHECK(bash_offers("moesim run --") ==
        Words{"--output", "--model", "--gpu", "--format", "--set", "--quiet", "--help"});
  CHECK(bash_offers("moesim run --format \"\"") == Words{"text", "json"});
  CHECK(bash_offers("moesim run --format j") == Words{"json"});
  CHECK(bash_offers("moesim run a") == Words{"a.yaml"});
  CHECK(bash_offers("moesim run -o \"\"") == Words{"a.yaml", "moesim.bash"});
  CHECK(bash_offers("moesim run --set \"\"").empty());
}

TEST_CASE("bash offers the names that moesim list knows, beside files") {
  CHECK(bash_offers("moesim run --model \"\"") ==
        Words{"mixtral-8x7b", "qwen3-30b", "a.yaml", "moesim.bash"});
  CHECK(bash_offers("moesim run --model q") == Words{"qwen3-30b"});
  CHECK(bash_offers("moesim run --gpu \"\"") == Words{"h100-1x8", "h200"});
  CHECK(bash_offers("moesim run --gpu h2") == Words{"h200"});
  CHECK(bash_offers("moesim run m") == Words{"mixtral-decode", "moesim.bash"});
}

TEST_CASE("what names something that is listed is known by what stands for its value") {
  using moesim::tools::named_kinds;
  CHECK(named_kinds({.name = "SCENARIO", .is_file = true}) == "scenarios");
  CHECK(named_kinds({.name = "--model", .value = "MODEL"}) == "models");
  CHECK(named_kinds({.name = "-o,--output", .value = "TRACE", .is_output = true}).empty());
  CHECK(named_kinds({.name = "--rate", .value = "N"}).empty());
}

TEST_CASE("fish offers the same") {
  if (std::system("command -v fish > /dev/null") != 0) {
    MESSAGE("fish is not here; its completion is not tried");
    return;
  }
  const TemporaryFolder folder;
  folder.file("moesim.fish", moesim::tools::fish_completion(table()));
  folder.file("a.yaml", "");
  const auto offers = [&](const std::string& line) {
    // A line of fish's answer is the word, a tab, its description.
    Words words;
    for (const std::string& offer :
         lines_of("cd " + folder.path().string() + " && HOME=" + folder.path().string() +
                  " fish -c 'source ./moesim.fish; function moesim; test \"$argv\" = "
                  "\"list models\"; and echo mixtral-8x7b of 8; end; complete -C \"" +
                  line + "\"'")) {
      words.insert(offer.substr(0, offer.find('\t')));
    }
    return words;
  };
  CHECK(offers("moesim ") == Words{"run", "trace"});
  CHECK(offers("moesim trace ") == Words{"info", "make"});
  CHECK(offers("moesim run --format ") == Words{"text", "json"});
  CHECK(offers("moesim run a") == Words{"a.yaml"});
  CHECK(offers("moesim run --model mix") == Words{"mixtral-8x7b"});
  CHECK(offers("moesim run --q") == Words{"--quiet"});
}

TEST_CASE("zsh reads its script, and each command has its function") {
  const std::string script = moesim::tools::zsh_completion(table());
  CHECK(script.find("    '*--set[it'\\''s a \\[value\\]\\: replaced]:K=V: ' \\\n") !=
        std::string::npos);
  CHECK(script.find("    'SCENARIO:_files'") == std::string::npos);
  CHECK(script.find("    ':SCENARIO:{_moesim_names scenarios; _files}' \\\n") != std::string::npos);
  CHECK(script.find(":GPU\\[=PRICE\\]:{_moesim_names clusters devices}' \\\n") !=
        std::string::npos);
  if (std::system("command -v zsh > /dev/null") != 0) {
    MESSAGE("zsh is not here; its completion is not tried");
    return;
  }
  const TemporaryFolder folder;
  folder.file("_moesim", script);
  CHECK(lines_of("zsh -f -c 'compdef() { echo defined $2 }; source " + folder.path().string() +
                 "/_moesim; for name in _moesim _moesim_run _moesim_trace _moesim_trace_info; do "
                 "(( $+functions[$name] )) && echo $name; done'") ==
        Words{"defined moesim", "_moesim", "_moesim_run", "_moesim_trace", "_moesim_trace_info"});
}

TEST_CASE("the manual page is made from the table") {
  std::vector<Command> one = table();
  one.resize(1);
  const std::string page = moesim::tools::man_page(one, "0.1");
  CHECK(page.starts_with(".TH MOESIM 1 \"\" \"moesim 0.1\" \"User Commands\"\n"));
  CHECK(page.find(".SS run\n"
                  "runs a scenario.\n"
                  ".PP\n"
                  "\\fBmoesim run\\fR [\\fIoptions\\fR] \\fISCENARIO\\fR\n"
                  ".TP\n"
                  "\\fBSCENARIO\\fR\n"
                  "what to run.\n"
                  ".TP\n"
                  "\\fB\\-o\\fR, \\fB\\-\\-output\\fR \\fIFILE\\fR\n"
                  "where to.\n"
                  ".TP\n"
                  "\\fB\\-\\-model\\fR \\fIMODEL\\fR\n"
                  "of what.\n"
                  ".TP\n"
                  "\\fB\\-\\-gpu\\fR \\fIGPU[=PRICE]\\fR\n"
                  "on what. May be given more than once.\n"
                  ".TP\n"
                  "\\fB\\-\\-format\\fR \\fIFORMAT\\fR\n"
                  "how. One of text, json. Default: text.\n"
                  ".TP\n"
                  "\\fB\\-\\-set\\fR \\fIK=V\\fR\n"
                  "it's a [value]: replaced. May be given more than once.\n"
                  ".TP\n"
                  "\\fB\\-\\-quiet\\fR\n"
                  "says less.\n"
                  ".PP\n"
                  "Examples:\n"
                  ".PP\n"
                  ".nf\n"
                  ".RS 4\n"
                  "moesim run a.yaml\n"
                  ".RE\n"
                  ".fi\n"
                  ".SH EXIT STATUS\n") != std::string::npos);
}

TEST_CASE("a command has a page of its own") {
  Command one{.name = "trace cut",
              .summary = "takes a part",
              .options = {{.name = "--to", .value = "FILE", .help = "where to"}},
              .examples = {"moesim trace cut"},
              .run = {}};
  CHECK(moesim::tools::man_page(one, "0.1")
            .starts_with(".TH MOESIM\\-TRACE\\-CUT 1 \"\" \"moesim 0.1\" \"User Commands\"\n"
                         ".SH NAME\n"
                         "moesim\\-trace\\-cut \\- takes a part\n"
                         ".SH SYNOPSIS\n"
                         "\\fBmoesim trace cut\\fR [\\fIoptions\\fR]\n"
                         ".SH DESCRIPTION\n"
                         "takes a part.\n"
                         ".SH OPTIONS\n"
                         ".TP\n"
                         "\\fB\\-\\-to\\fR \\fIFILE\\fR\n"
                         "where to.\n"
                         ".SH EXAMPLES\n"
                         ".PP\n.nf\n.RS 4\n"
                         "moesim trace cut\n"));
}

TEST_CASE("pages of all commands are written where they are wanted, or one is printed") {
  const TemporaryFolder folder;
  const auto into = folder.path() / "man1";
  CHECK(moesim::tests::call(moesim::tools::man_command(), {{"into", {into.string()}}}).code ==
        moesim::sim::ExitCode::Ok);
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(into))
    names.insert(entry.path().filename().string());
  CHECK(names.size() == moesim::tools::commands().size() + 1);
  CHECK(names.contains("moesim.1"));
  CHECK(names.contains("moesim-validate-serving.1"));
  CHECK(moesim::tests::call(moesim::tools::man_command(), {{"COMMAND", {"validate", "serving"}}})
            .out.starts_with(".TH MOESIM\\-VALIDATE\\-SERVING 1 "));
  CHECK_THROWS_WITH_AS(moesim::tests::call(moesim::tools::man_command(), {{"COMMAND", {"rum"}}}),
                       "there is no page of \"rum\": expected a command as the help lists it, such "
                       "as \"run\"",
                       moesim::sim::ConfigError);
}

TEST_CASE("man finds no fault with the page of the whole program") {
  if (std::system("command -v man > /dev/null && man -V > /dev/null 2>&1") != 0) {
    MESSAGE("man is not here; the page is not tried");
    return;
  }
  const TemporaryFolder folder;
  const auto page =
      folder.file("moesim.1", moesim::tools::man_page(moesim::tools::commands(), "0.1"));
  // Warnings go to standard error, the page itself is not looked at.
  CHECK(lines_of("LC_ALL=C.UTF-8 MANWIDTH=100 man -l --warnings=w " + page.string() +
                 " 2>&1 > /dev/null") == Words{});
}
