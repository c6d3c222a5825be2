// moesim report: a saved report as a page.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/io/file_kind.h"
#include "tools/moesim/html_output.h"
#include "tools/report/page_kinds.h"
#include "tools/study/store_file.h"
#include "tools/study/table.h"

namespace moesim::tools {
namespace {

// Whether it may be JSON's object: by its first character that is no blank.
bool begins_as_report(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  char first = '{';
  return !(in >> first) || first == '{';  // of what cannot be read others tell
}

// A report, or a study's store.
sim::io::Json read_report(const std::string& file) {
  if (!is_database(file)) {
    if (sim::io::is_file(file) && !begins_as_report(file)) {
      throw sim::InputError(fmt::format(
          "{}: is neither a report (JSON, of --format json) nor a sweep's store", file));
    }
    return sim::io::read_json(file);
  }
  const Store store = Store::open(file);
  return to_json(table_of(store, {}), store, false);
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const std::string file = arguments.text("FILE"), page = arguments.text("output");
  if (file.ends_with(".yaml") || file.ends_with(".yml")) {
    throw sim::ConfigError(fmt::format(
        "{}: a scenario, not a report: moesim run {} --html {} runs it and writes its page", file,
        file, page));
  }
  const sim::io::Json report = read_report(file);
  write_page(page, page_of(report, file), report);
  console.err << fmt::format("{}: written\n", page);
  return sim::ExitCode::Ok;
}

}  // namespace

Command report_command() {
  return {
      .name = "report",
      .summary = "a saved report as a page of charts and tables",
      .description = "Reads what " + page_commands() +
                     " print with --format json and writes one HTML file that needs nothing "
                     "else: the answer in a sentence, then charts, each with its table. What "
                     "only the run itself knows (experts by layer, bytes from rank to rank, the "
                     "machine, a timeline) is on the page that the command writes with --html.",
      .options = {{.name = "FILE",
                   .help = "a report in JSON, or a sweep's store",
                   .required = true,
                   .is_file = true},
                  {.name = "-o,--output",
                   .value = "FILE",
                   .help = "the page to write",
                   .required = true,
                   .is_file = true,
                   .is_output = true}},
      .examples = {"moesim run mixtral-8x7b-decode-h100 --format json -o report.json",
                   "moesim report report.json -o report.html"},
      .run = run};
}

}  // namespace moesim::tools
