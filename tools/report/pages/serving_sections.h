// What pages of a service have: its requests' times, what its engines did. `serving`: that part of
// what moesim run and moesim capacity print.
#pragma once

#include <string>

#include "sim/io/json.h"
#include "tools/report/page.h"

namespace moesim::tools {

// "12.42 ms" of a number of milliseconds.
std::string ms_text(const sim::io::Json& ms);

Section requests_section(const sim::io::Json& serving);
Section engine_section(const sim::io::Json& serving);

}  // namespace moesim::tools
