// A page as one HTML file that needs nothing else: the built template with the page's JSON, packed,
// in its slot. The same bytes for the same page.
#pragma once

#include <filesystem>
#include <string>

#include "sim/io/json.h"

namespace moesim::tools {

// The template beside the configurations that ship: share/moesim/report.html of an installation,
// tools/report/template/report.html of a source tree.
// Throws ConfigError that names both where neither is there.
std::filesystem::path find_template(const std::filesystem::path& configs);

// `page` is what to_json(Page, report) gives. Throws InputError where the template has no slot, or
// the file would be larger than kMostPageBytes.
inline constexpr std::size_t kMostPageBytes = 10'000'000;
std::string html_report(const sim::io::Json& page, const std::filesystem::path& report_template);

}  // namespace moesim::tools
