#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <ostream>
#include <utility>

#include "sim/error.h"
#include "sim/io/atomic_file.h"
#include "tools/moesim/completion.h"

namespace moesim::tools {
namespace {

// Text for roff: backslashes and dashes are written out, and no line starts with a dot or a quote,
// which would be a request.
std::string roff(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    line_start = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

// "-o, --output FILE"
std::string heading(const Option& option) {
  std::string text = "\\fB";
  for (const char c : option.name) {
    if (c == ',') {
      text += "\\fR, \\fB";
    } else {
      text += c == '-' ? "\\-" : std::string(1, c);
    }
  }
  text += "\\fR";
  if (!option.value.empty()) text += " \\fI" + roff(option.value) + "\\fR";
  return text;
}

std::string synopsis(const std::string& program, const Command& command) {
  std::string text = fmt::format("\\fB{} {}\\fR", roff(program), roff(command.name));
  bool has_options = false;
  for (const Option& option : command.options) has_options |= option.name[0] == '-';
  if (has_options) text += " [\\fIoptions\\fR]";
  for (const Option& option : command.options) {
    if (option.name[0] == '-') continue;
    const std::string shown =
        fmt::format("\\fI{}\\fR{}", roff(option.name), option.repeated ? "\\fR…" : "");
    text += option.required ? " " + shown : " [" + shown + "]";
  }
  return text;
}

std::string sentence(std::string text) {
  if (!text.empty() && text.back() != '.') text += '.';
  return text;
}

std::string about(const Option& option) {
  std::string text = sentence(option.help);
  if (!option.choices.empty()) {
    text += fmt::format(" One of {}.", fmt::join(option.choices, ", "));
  }
  if (!option.fallback.empty()) text += fmt::format(" Default: {}.", option.fallback);
  if (option.repeated) text += " May be given more than once.";
  return text;
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// "moesim-validate-serving"
std::string page_name(const std::string& program, const Command& command) {
  std::string name = program + "-" + command.name;
  std::ranges::replace(name, ' ', '-');
  return name;
}

std::string options_of(const Command& command) {
  std::string text;
  for (const Option& option : command.options)
    text += fmt::format(".TP\n{}\n{}\n", heading(option), roff(about(option)));
  return text;
}

std::string examples_of(const Command& command) {
  std::string text = ".PP\n.nf\n.RS 4\n";
  for (const std::string& example : command.examples) text += roff(example) + "\n";
  return text + ".RE\n.fi\n";
}

constexpr std::string_view kExitStatus =
    ".SH EXIT STATUS\n"
    ".TP\n0\nIt worked.\n"
    ".TP\n1\nIt ran, and the answer is no: a check that does not hold.\n"
    ".TP\n2\nThe command line or a configuration is wrong.\n"
    ".TP\n3\nWhat was asked for cannot be met: it does not fit, no plan reaches the target.\n"
    ".TP\n4\nA file cannot be read, is damaged, or is not what it says.\n"
    ".TP\n5\nSome of the results are there, not all.\n"
    ".TP\n77\nThere is nothing to run it on (no GPU).\n"
    ".TP\n130\nIt was interrupted.\n";

const Command& command_named(std::span<const Command> commands, const std::string& name) {
  const auto found = std::ranges::find(commands, name, &Command::name);
  if (found == commands.end())
    throw sim::ConfigError(
        fmt::format("there is no page of \"{}\": expected a command as the help lists it, such as "
                    "\"{}\"",
                    name, commands.front().name));
  return *found;
}

void write_pages(std::span<const Command> commands, const ManualPage& page,
                 const std::filesystem::path& folder) {
  std::error_code none;  // what is wrong with the folder the first file says
  std::filesystem::create_directories(folder, none);
  const auto write = [&](const std::string& name, const std::string& text) {
    sim::io::write_file(folder / (name + ".1"), text);
  };
  write(page.program, man_page(commands, MOESIM_VERSION, page));
  for (const Command& command : commands)
    write(page_name(page.program, command), man_page(command, MOESIM_VERSION, page));
}

}  // namespace

std::string man_page(std::span<const Command> commands, const std::string& version,
                     const ManualPage& page) {
  std::string text = fmt::format(
      ".TH {0} 1 \"\" \"{1} {2}\" \"User Commands\"\n"
      ".SH NAME\n"
      "{1} \\- {3}\n"
      ".SH SYNOPSIS\n"
      ".B {1}\n"
      "\\fICOMMAND\\fR [\\fIoptions\\fR] \\fIarguments\\fR\n"
      ".SH DESCRIPTION\n"
      "{4}\n"
      ".SH COMMANDS\n",
      roff(upper(page.program)), roff(page.program), roff(version), roff(page.summary),
      roff(page.description));
  for (const Command& command : commands) {
    text += fmt::format(".SS {}\n{}\n", roff(command.name), roff(sentence(command.summary)));
    text += fmt::format(".PP\n{}\n", synopsis(page.program, command));
    if (!command.description.empty()) text += fmt::format(".PP\n{}\n", roff(command.description));
    text += options_of(command);
    if (!command.examples.empty()) text += ".PP\nExamples:\n" + examples_of(command);
  }
  text += kExitStatus;
  text +=
      ".SH FILES\n"
      ".TP\n.I share/moesim/configs\n"
      "Devices, clusters, models, scenarios and traces that ship with the program.\n";
  return text;
}

std::string man_page(const Command& command, const std::string& version, const ManualPage& page) {
  const std::string name = page_name(page.program, command);
  std::string text = fmt::format(
      ".TH {} 1 \"\" \"{} {}\" \"User Commands\"\n"
      ".SH NAME\n{} \\- {}\n"
      ".SH SYNOPSIS\n{}\n"
      ".SH DESCRIPTION\n{}\n",
      roff(upper(name)), roff(page.program), roff(version), roff(name), roff(command.summary),
      synopsis(page.program, command),
      roff(command.description.empty() ? sentence(command.summary) : command.description));
  if (!command.options.empty()) text += ".SH OPTIONS\n" + options_of(command);
  if (!command.examples.empty()) text += ".SH EXAMPLES\n" + examples_of(command);
  text += kExitStatus;
  return text + fmt::format(".SH SEE ALSO\n.BR {} (1)\n", roff(page.program));
}

Command man_command() {
  return man_command(commands, {});
}

Command man_command(std::function<std::span<const Command>()> commands, const ManualPage& page) {
  return {
      .name = "man",
      .summary = "prints the manual page",
      .description = fmt::format(
          "The page {0}(1), or a command's, {0}-run(1), in roff, made from the same table as "
          "--help.",
          page.program),
      .options = {{.name = "COMMAND",
                   .help = "the command whose page it is, else the program's",
                   .repeated = true},
                  {.name = "--into",
                   .value = "FOLDER",
                   .help = "writes the pages of the program and of all commands there"}},
      .examples = {page.program + " man | man -l -", page.program + " man run | man -l -"},
      .run = [commands = std::move(commands), page](const Arguments& arguments, Console console) {
        const std::vector<std::string> words = arguments.all("COMMAND");
        if (const auto folder = arguments.find("into")) {
          if (!words.empty())
            throw sim::ConfigError("--into: writes the pages of all: leave out the command");
          write_pages(commands(), page, *folder);
        } else if (words.empty()) {
          console.out << man_page(commands(), MOESIM_VERSION, page);
        } else {
          console.out << man_page(
              command_named(commands(), fmt::format("{}", fmt::join(words, " "))), MOESIM_VERSION,
              page);
        }
        return sim::ExitCode::Ok;
      }};
}

}  // namespace moesim::tools
