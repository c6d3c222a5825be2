// The program: parses the command line, calls a command, prints, returns an exit code.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <exception>
#include <iostream>
#include <map>
#include <memory>
#include <new>

#include "sim/io/hdf5_guard.h"
#include "tools/moesim/command.h"

#ifndef MOESIM_VERSION
#define MOESIM_VERSION "unknown"
#endif

namespace {

using moesim::sim::ExitCode;
using moesim::tools::Arguments;
using moesim::tools::Command;
using moesim::tools::Console;

// "-o,--output" -> "output"; "SCENARIO" -> "SCENARIO".
std::string key_of(const std::string& option) {
  const std::string name = option.substr(option.rfind(',') + 1);
  return name.substr(std::min(name.find_first_not_of('-'), name.size()));
}

// What CLI11 fills while it parses; outlives the parser.
struct Typed {
  std::map<std::string, std::vector<std::string>> values;
  std::map<std::string, bool> flags;
};

void add_options(CLI::App& app, const Command& command, Typed& typed) {
  for (const moesim::tools::Option& option : command.options) {
    const std::string key = key_of(option.name);
    const bool positional = option.name[0] != '-';
    if (!positional && option.value.empty()) {
      app.add_flag(option.name, typed.flags[key], option.help);
      continue;
    }
    CLI::Option* added = app.add_option(option.name, typed.values[key], option.help);
    added->required(option.required);
    added->type_name(positional ? "" : option.value);
    if (option.repeated) {
      added->expected(positional ? -1 : 1)->allow_extra_args(positional)->take_all();
    } else {
      // A single value: without this a positional takes those that follow it, too.
      added->expected(1)->allow_extra_args(false)->multi_option_policy(
          CLI::MultiOptionPolicy::Throw);
    }
    if (!option.fallback.empty()) added->default_str(option.fallback);
    if (!option.choices.empty()) added->check(CLI::IsMember(option.choices));
  }
}

Arguments arguments_of(const Command& command, const Typed& typed) {
  Arguments arguments;
  for (const moesim::tools::Option& option : command.options) {
    const std::string key = key_of(option.name);
    if (const auto flag = typed.flags.find(key); flag != typed.flags.end()) {
      if (flag->second) arguments.values[key] = {"true"};
      continue;
    }
    const auto& given = typed.values.at(key);
    if (!given.empty()) {
      arguments.values[key] = given;
    } else if (!option.fallback.empty()) {
      arguments.values[key] = {option.fallback};
    }
  }
  return arguments;
}

std::string footer_of(const Command& command) {
  std::string text = command.description;
  if (command.examples.empty()) return text;
  text += text.empty() ? "Examples:" : "\n\nExamples:";
  for (const std::string& example : command.examples) text += "\n  " + example;
  return text;
}

// Words of one command line: "trace info" is the subcommand info of the subcommand trace.
CLI::App* subcommand_for(CLI::App& app, const std::string& name) {
  CLI::App* at = &app;
  std::size_t start = 0;
  while (start < name.size()) {
    const std::size_t end = std::min(name.find(' ', start), name.size());
    const std::string word = name.substr(start, end - start);
    const auto known = at->get_subcommands(
        [&](const CLI::App* candidate) { return candidate->get_name() == word; });
    at = known.empty() ? at->add_subcommand(word) : known.front();
    start = end + 1;
  }
  return at;
}

std::atomic<int> interrupts{0};
static_assert(std::atomic<int>::is_always_lock_free);

// The first one is a wish, the second an order.
void note_interrupt(int) {
  if (++interrupts > 1) std::_Exit(static_cast<int>(ExitCode::Interrupted));
}

int run(int argc, char** argv) {
  CLI::App app{
      "moesim: what a Mixture-of-Experts model does on a cluster, driven by real routing."};
  app.name("moesim");
  app.set_version_flag("--version", "moesim " MOESIM_VERSION);
  app.require_subcommand(1);
  app.footer("moesim COMMAND --help tells more of a command.");

  const std::vector<Command>& all = moesim::tools::commands();
  std::vector<Typed> typed(all.size());
  std::vector<CLI::App*> parsers(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    CLI::App* parser = subcommand_for(app, all[i].name);
    parser->description(all[i].summary);
    parser->footer(footer_of(all[i]));
    add_options(*parser, all[i], typed[i]);
    parsers[i] = parser;
  }
  for (CLI::App* group : app.get_subcommands({})) {
    const auto children = group->get_subcommands({});
    if (children.empty()) continue;
    const bool is_command = std::ranges::find(parsers, group) != parsers.end();
    if (!is_command) group->require_subcommand(1);
    std::string names;
    for (const CLI::App* child : children) names += (names.empty() ? "" : ", ") + child->get_name();
    if (group->get_description().empty()) group->description(names);
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::vector<std::string> words;
    for (int i = 1; i < argc && argv[i][0] != '-'; ++i) words.push_back(argv[i]);
    const std::string wrong = moesim::tools::wrong_command(words);
    std::cerr << "moesim: " << (wrong.empty() ? error.what() : wrong)
              << "\nmoesim --help lists the commands and options.\n";
    return static_cast<int>(ExitCode::Configuration);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    // A command that has others below it ("sweep", "sweep show") is parsed with them.
    if (!parsers[i]->parsed() || !parsers[i]->get_subcommands().empty()) continue;
    if (all[i].ends_itself) std::signal(SIGINT, note_interrupt);
    const ExitCode code = all[i].run(
        arguments_of(all[i], typed[i]),
        Console{.out = std::cout, .err = std::cerr, .interrupted = [] { return interrupts != 0; }});
    std::cout.flush();
    if (!std::cout) {
      std::cerr << "moesim: standard output cannot be written\n";
      return static_cast<int>(ExitCode::Failed);
    }
    return static_cast<int>(code);
  }
  return static_cast<int>(ExitCode::Configuration);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::signal(SIGINT, [](int) { std::_Exit(static_cast<int>(ExitCode::Interrupted)); });
    moesim::sim::io::guard_hdf5_calls();
    return run(argc, argv);
  } catch (const moesim::sim::Error& error) {
    std::cerr << error.what() << '\n';
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    std::cerr << "moesim: out of memory\n";
  } catch (const std::exception& error) {
    std::cerr << "moesim: internal error: " << error.what() << '\n';
  }
  return static_cast<int>(ExitCode::Failed);
}
