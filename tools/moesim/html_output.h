// --html FILE of the commands that have a page.
#pragma once

#include <filesystem>

#include "tools/moesim/command.h"
#include "tools/report/page.h"

namespace moesim::tools {

Option html_option();

// `report`: what the command prints with --format json. Throws what html_report.h says.
void write_page(const std::filesystem::path& file, const Page& page, const sim::io::Json& report);

}  // namespace moesim::tools
