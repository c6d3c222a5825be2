// A study on a command line: FILE, --vary … --set, as sweep and sweep script take them.
#pragma once

#include <string>
#include <vector>

#include "tools/moesim/command.h"
#include "tools/study/study_spec.h"

namespace moesim::tools {

std::vector<Option> study_options();

// Throws ConfigError "sweep: say a study's file …" where FILE is missing or standard input; what
// read_study() throws.
StudySpec study_of(const Arguments& arguments, const std::string& command);

// As they were typed, an option and its value a word each: {"FILE", "--vary", "KEY=VALUES"}.
std::vector<std::string> study_words(const Arguments& arguments);

}  // namespace moesim::tools
