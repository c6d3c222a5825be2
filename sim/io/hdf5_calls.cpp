#include "sim/io/hdf5_calls.h"

#ifdef MOESIM_HDF5_LIBRARY
#include <dlfcn.h>
#endif
#include <fmt/format.h>

#include "sim/error.h"

namespace moesim::sim::io {

#ifdef MOESIM_HDF5_LIBRARY

namespace {

struct Loaded {
  void* library;
  std::string error;
};

// Once a process, and never unloaded: it keeps state of its own.
const Loaded& loaded() {
  static const Loaded the = [] {
    // Whoever links it (a program of others, a test) has its variables, too.
    void* const program = dlopen(nullptr, RTLD_LAZY);
    if (program != nullptr && dlsym(program, "H5open") != nullptr) return Loaded{program, ""};
    void* library = dlopen(MOESIM_HDF5_LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    const char* error = library == nullptr ? dlerror() : nullptr;
    return Loaded{library, error == nullptr ? "" : error};
  }();
  return the;
}

}  // namespace

void load_hdf5(const std::string& file) {
  if (loaded().library != nullptr) return;
  throw InputError(fmt::format(
      "{}: the HDF5 library, which reads and writes traces, cannot be loaded: {}; install it "
      "(Debian 12: libhdf5-103-1)",
      file, loaded().error));
}

void* hdf5_symbol(const char* name) {
  return loaded().library == nullptr ? nullptr : dlsym(loaded().library, name);
}

#else

void load_hdf5(const std::string&) {}

#endif

}  // namespace moesim::sim::io
