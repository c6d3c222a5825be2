#include "tools/moesim/program.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>

#include "sim/heap.h"
#include "sim/io/hdf5_guard.h"
#include "sim/io/json.h"
#include "sim/io/temporary_file.h"
#include "sim/io/yaml_reader.h"
#include "tools/moesim/printable_buffer.h"

#ifndef MOESIM_VERSION
#define MOESIM_VERSION "unknown"
#endif

namespace moesim::tools {
namespace {

using sim::ExitCode;

// What CLI11 fills while it parses; outlives the parser.
struct Typed {
  std::map<std::string, std::vector<std::string>> values;
  std::map<std::string, bool> flags;
};

void add_options(CLI::App& app, const Command& command, Typed& typed) {
  for (const Option& option : command.options) {
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
  for (const Option& option : command.options) {
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

// "moesim help run" is "moesim run --help".
std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + std::max(argc, 1));
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  // "topology" is a command itself, which has a cluster behind it.
  if (words.size() > 1 && words[0] == "topology" && words[1] == "import") {
    words[0] = "topology-import";
    words.erase(words.begin() + 1);
  }
  return words;
}

// The option of the command that was probably meant: "; did you mean "--format"?".
std::string near_option(const std::vector<Command>& commands,
                        const std::vector<std::string>& words) {
  for (const Command& command : commands) {
    std::string start;
    for (const std::string& word : words) {
      start += (start.empty() ? "" : " ") + word;
      if (start.size() >= command.name.size()) break;
    }
    if (start != command.name) continue;
    std::vector<std::string_view> known{"--help"};
    for (const auto& option : command.options) {
      const std::string_view name = option.name;
      if (name.starts_with('-')) known.push_back(name.substr(name.rfind(',') + 1));
    }
    for (const std::string& word : words) {
      const std::string name = word.substr(0, word.find('='));
      if (!name.starts_with("--") || std::find(known.begin(), known.end(), name) != known.end()) {
        continue;
      }
      const std::string meant = sim::io::did_you_mean(name, known);
      if (!meant.empty()) return fmt::format("; did you mean {}?", meant);
    }
  }
  return {};
}

// Whether the results, and so what went wrong, are for a program.
bool asks_for_json(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--format=json") return true;
    if (word == "--format" && i + 1 < argc && std::string_view(argv[i + 1]) == "json") return true;
  }
  return false;
}

// What went wrong, on standard error: a line each, or {"error": {"exit_code", "messages"}}.
int report(const std::string& text, ExitCode code, bool json) {
  if (!json) {
    std::cerr << text << '\n';
    return static_cast<int>(code);
  }
  sim::io::Json error = sim::io::Json::object();
  auto& messages = error["error"];
  messages["exit_code"] = static_cast<int>(code);
  messages["messages"] = sim::io::Json::array();
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    messages["messages"].push_back(text.substr(start, end - start));
    start = end + 1;
  }
  std::cerr << sim::io::to_text(error);
  return static_cast<int>(code);
}

std::atomic<int> interrupts{0};
static_assert(std::atomic<int>::is_always_lock_free);

// The first one is a wish, the second an order.
void note_interrupt(int) {
  if (++interrupts <= 1) return;
  sim::io::remove_temporaries();
  std::_Exit(static_cast<int>(ExitCode::Interrupted));
}

// What was printed may still wait for its file, which may be full.
int flushed(const Program& program, int code) {
  std::cout.flush();
  if (std::cout) return code;
  std::cerr << program.name << ": standard output cannot be written\n";
  return static_cast<int>(ExitCode::Failed);
}

int run(const Program& program, int argc, char** argv) {
  CLI::App app{program.description};
  app.name(program.name);
  app.set_version_flag("--version", program.name + " " MOESIM_VERSION);
  app.require_subcommand(1);
  app.footer(program.name + " COMMAND --help tells more of a command.");

  const std::vector<Command>& all = program.commands;
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
    std::vector<std::string> words = words_of(argc, argv);
    std::reverse(words.begin(), words.end());  // as CLI11 takes them
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    std::vector<std::string> words = words_of(argc, argv);
    words.erase(std::ranges::find_if(words, [](const auto& word) { return word.starts_with('-'); }),
                words.end());
    const std::string wrong = wrong_command(all, words);
    if (error.get_exit_code() == 0 && wrong.empty())  // --help, --version
      return flushed(program, app.exit(error));
    return report(
        fmt::format("{0}: {1}\n{0} --help lists the commands and options.", program.name,
                    wrong.empty() ? error.what() + near_option(all, words_of(argc, argv)) : wrong),
        ExitCode::Configuration, asks_for_json(argc, argv));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    // A command that has others below it ("sweep", "sweep show") is parsed with them.
    if (!parsers[i]->parsed() || !parsers[i]->get_subcommands().empty()) continue;
    if (all[i].ends_itself) {
      // SIGUSR1 is how batch systems say that the time is over.
      for (const int signal : {SIGINT, SIGUSR1}) std::signal(signal, note_interrupt);
    }
    const Arguments arguments = arguments_of(all[i], typed[i]);
    check_outputs(all[i], arguments);
    const ExitCode code = all[i].run(
        arguments,
        Console{.out = std::cout, .err = std::cerr, .interrupted = [] { return interrupts != 0; }});
    return flushed(program, static_cast<int>(code));
  }
  return static_cast<int>(ExitCode::Configuration);
}

}  // namespace

int run_program(const Program& program, int argc, char** argv) {
  sim::keep_freed_memory();
  // Never destroyed: the streams are flushed after everything else.
  std::cout.rdbuf(new PrintableBuffer(std::cout.rdbuf()));
  std::cerr.rdbuf(new PrintableBuffer(std::cerr.rdbuf()));
  const bool json = asks_for_json(argc, argv);
  try {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
      const auto before = std::signal(signal, [](int) {
        sim::io::remove_temporaries();
        std::_Exit(static_cast<int>(ExitCode::Interrupted));
      });
      if (signal == SIGHUP && before == SIG_IGN) std::signal(signal, SIG_IGN);  // nohup
    }
    sim::io::guard_hdf5_calls();
    return run(program, argc, argv);
  } catch (const sim::Error& error) {
    return report(error.what(), error.code(), json);
  } catch (const std::bad_alloc&) {
    return report(program.name + ": out of memory", ExitCode::Failed, json);
  } catch (const std::filesystem::filesystem_error& error) {
    return report(fmt::format("{}: {}", error.path1().string(), error.code().message()),
                  ExitCode::DamagedInput, json);
  } catch (const std::exception& error) {
    return report(fmt::format("{}: internal error: {}", program.name, error.what()),
                  ExitCode::Failed, json);
  }
}

}  // namespace moesim::tools
