// Whose trace of requests a file is, by its first line.
#pragma once

#include <filesystem>

#include "workloads/serving/requests/trace_stream.h"

namespace moesim::workloads::serving {

// Throws InputError where the file cannot be read or is a pipe, or its first line is of none; the
// message says what each begins with.
TraceFormat detect_format(const std::filesystem::path& file);

}  // namespace moesim::workloads::serving
