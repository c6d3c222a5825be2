// What the completions of all shells are made from.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/moesim/command.h"

namespace moesim::tools {

bool is_positional(const Option& option);

// "-o,--output" -> {"-o", "--output"}
std::vector<std::string> spellings(const Option& option);

// The commands as a tree of words: "" -> {run, trace}, "trace" -> {info, make}. A word's text is
// its summary.
std::map<std::string, std::map<std::string, std::string>> words_after(
    std::span<const Command> commands);

// In single quotes for a shell.
std::string quoted(std::string_view text);

}  // namespace moesim::tools
