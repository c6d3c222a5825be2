#include "validation/cuda/protocol/command_line.h"

#include <algorithm>
#include <charconv>

#include "validation/cuda/protocol/kernel_record.h"

namespace moesim::validation::cuda {
namespace {

template <class Number>
Number number_of(const std::string& option, const std::string& text) {
  Number value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) {
    throw UsageError(option + ": expected a whole number, not \"" + text + "\"");
  }
  return value;
}

// "240s", "4m" or a bare number of seconds.
double seconds_of(const std::string& option, const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  const std::string unit(rest, end);
  if (error != std::errc() || !(value > 0) || (!unit.empty() && unit != "s" && unit != "m")) {
    throw UsageError(option + ": expected a time such as 240s or 4m, not \"" + text + "\"");
  }
  return unit == "m" ? value * 60 : value;
}

// "permute,sort": what a selftest's JSON says of kernels; nothing is nothing.
void add_kernels(const std::string& text, std::vector<std::string>& kernels) {
  const std::vector<std::string>& known = kernel_names();
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string name = text.substr(begin, end - begin);
    begin = end + 1;
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      std::string all;
      for (const std::string& kernel : known) all += (all.empty() ? "" : ", ") + kernel;
      throw UsageError("--without: no kernel is called \"" + name + "\"; there are " + all);
    }
    kernels.push_back(name);
  }
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
  CommandLine line;
  if (arguments.empty()) throw UsageError("what to do? info, selftest or run");
  line.command = arguments[0];
  if (line.command == "-h" || line.command == "--help") line.command = "help";
  if (line.command != "info" && line.command != "selftest" && line.command != "run" &&
      line.command != "help") {
    throw UsageError("unknown command \"" + line.command + "\": expected info, selftest or run");
  }
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string& option = arguments[i];
    if (option == "-h" || option == "--help") {
      line.command = "help";
      return line;
    }
    const bool run = line.command == "run", selftest = line.command == "selftest";
    if (selftest && (option == "--small" || option == "--one-process")) {
      (option == "--small" ? line.small : line.one_process) = true;
      continue;
    }
    if (run && option == "--resume") {
      line.resume = true;
      continue;
    }
    const bool known = (run && (option == "--plan" || option == "--out")) ||
                       (selftest && option == "--json") ||
                       ((run || selftest) &&
                        (option == "--seed" || option == "--patience" || option == "--budget" ||
                         option == "--without" || option == "--from" || option == "--record"));
    if (!known) throw UsageError("unknown option \"" + option + "\" of " + line.command);
    if (i + 1 == arguments.size()) throw UsageError(option + ": a value is missing");
    const std::string& value = arguments[++i];
    if (option == "--plan") line.plan = value;
    if (option == "--out") line.out = value;
    if (option == "--json") line.json = value;
    if (option == "--budget") line.budget_seconds = seconds_of(option, value);
    if (option == "--patience") line.patience_seconds = seconds_of(option, value);
    if (option == "--seed") line.seed = number_of<std::uint64_t>(option, value);
    if (option == "--without") add_kernels(value, line.without);
    if (option == "--record") line.record = value;
    if (option == "--from") line.from = number_of<std::int64_t>(option, value);
  }
  if (line.command == "run" && (line.plan.empty() || line.out.empty())) {
    throw UsageError("run needs --plan and --out");
  }
  return line;
}

}  // namespace moesim::validation::cuda
