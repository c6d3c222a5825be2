// Routing traces as arrays of NumPy, which is asked for when one is read or written.
#pragma once

#include <pybind11/pybind11.h>

namespace moesim::tools {

// moesim._core.Trace and write_trace.
void define_traces(pybind11::module_& module);

}  // namespace moesim::tools
