#include "tools/moesim/html_output.h"

#include <nlohmann/json.hpp>

#include "sim/io/atomic_file.h"
#include "tools/moesim/config_folder.h"
#include "tools/report/html_report.h"

namespace moesim::tools {

Option html_option() {
  return {.name = "--html",
          .value = "FILE",
          .help = "write the report as a page of charts, one file that needs nothing else",
          .is_file = true,
          .is_output = true};
}

void write_page(const std::filesystem::path& file, const Page& page, const sim::io::Json& report) {
  if (file == "-") {
    throw sim::ConfigError("-: a page is a file of its own: say its name, such as report.html");
  }
  const auto configs = config_folder();
  if (!configs) {
    throw sim::ConfigError(
        "a page needs its template, which lies beside the configurations that ship: neither is "
        "found beside the program (moesim doctor)");
  }
  sim::io::write_file(file, html_report(to_json(page, report), find_template(*configs)));
}

}  // namespace moesim::tools
