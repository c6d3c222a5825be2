// From what a command prints with --format json to its page: a table of kinds.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sim/io/json.h"
#include "tools/report/page.h"

namespace moesim::tools {

// To add one: a file in pages/, its function below, its line in page_kinds.cpp.
struct PageKind {
  std::string_view name;     // "run"
  std::string_view command;  // that prints such a report
  std::string_view key;      // that only its report has at the top
  Page (*page)(const sim::io::Json& report);
};
std::span<const PageKind> page_kinds();
// The commands, each once: "moesim run, moesim exchange".
std::string page_commands();

// Of the JSON's own kind. Throws InputError where `name` is no report, or a key of it is missing or
// of another type.
Page page_of(const sim::io::Json& report, const std::string& name);

Page run_page(const sim::io::Json& report);
Page plan_page(const sim::io::Json& report);
Page capacity_page(const sim::io::Json& report);
Page serving_page(const sim::io::Json& report);
Page training_page(const sim::io::Json& report);
Page sweep_page(const sim::io::Json& report);
Page compare_page(const sim::io::Json& report);
Page exchange_page(const sim::io::Json& report);
Page placement_page(const sim::io::Json& report);
Page routing_page(const sim::io::Json& report);

}  // namespace moesim::tools
