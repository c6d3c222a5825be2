// A subcommand as data: the command line, its help, the man page and the shells' completions are
// all made from this one table. One command a file; each is listed in commands.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/error.h"

namespace moesim::tools {

struct Option {
  std::string name;           // "--bytes"; "-o,--output" with a short form; "SCENARIO": positional
  std::string value = {};     // what follows: "SIZE"; empty for a flag (and for a positional)
  std::string help = {};      // one sentence
  std::string fallback = {};  // shown as the default, and given by Arguments::text()
  bool required = false;
  bool repeated = false;                  // may be given (a positional: has) more than once
  std::vector<std::string> choices = {};  // the only values allowed, where there is such a list
  bool is_file = false;                   // completes file names
  bool is_output = false;                 // the file is written
};

// What Arguments know an option by: "-o,--output" -> "output"; "SCENARIO" -> "SCENARIO".
std::string key_of(const std::string& option);

// What the user typed, by option name without dashes ("bytes") or positional name ("SCENARIO").
class Arguments {
 public:
  std::map<std::string, std::vector<std::string>> values;  // filled by program.cpp

  bool has(const std::string& name) const;
  // The value, else the fallback. REQUIRES: the option has one or the other
  std::string text(const std::string& name) const;
  std::optional<std::string> find(const std::string& name) const;
  std::vector<std::string> all(const std::string& name) const;
  // Throw ConfigError "--ranks: expected a whole number from 1 to 65536, not "x"".
  std::int64_t integer(const std::string& name, std::int64_t least, std::int64_t most) const;
  double number(const std::string& name, double least, double most) const;
  bool json() const;  // --format json
};

// Where a command writes: results to out, progress and warnings to err.
struct Console {
  std::ostream& out;
  std::ostream& err;
  // Whether the user has asked to stop (SIGINT), for a command that ends by itself.
  std::function<bool()> interrupted = [] { return false; };
};

struct Command {
  std::string name;     // "run", "trace info"
  std::string summary;  // one line, for the list of commands
  std::string description = {};
  std::vector<Option> options;
  std::vector<std::string> examples = {};  // whole command lines
  std::function<sim::ExitCode(const Arguments&, Console)> run;
  // On SIGINT it asks Console::interrupted and ends with what it has, instead of being ended.
  bool ends_itself = false;
};

// Throws ConfigError where two files that a command writes are one, or one is a file that it reads,
// or cannot be: its folder is not there, or it is one.
void check_outputs(const Command& command, const Arguments& arguments);

// All commands, in the order of the help.
const std::vector<Command>& commands();

// What is wrong with the words that begin a command line, where they name no command: "there is no
// command "runn"; did you mean "run"?". Empty where they name one, or stop short of it.
std::string wrong_command(const std::vector<Command>& commands,
                          const std::vector<std::string>& words);

// A result, whole: into the file of the option where one is given, else, or where that is "-", to
// standard output.
void write_result(const Arguments& arguments, const std::string& text, const Console& console,
                  const char* option = "output");

// --format text|json, which every command has that prints a result.
Option format_option();

}  // namespace moesim::tools
