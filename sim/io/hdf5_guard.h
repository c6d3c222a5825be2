// HDF5 1.10 crashes, or never comes back, on some damaged files: there are bugs in the library
// that no check from outside can keep a hostile file away from.
#pragma once

namespace moesim::sim::io {

// From now on a crash (a signal) in the library, or a call that takes more than 10 to 20 seconds of
// processor time, ends the program with exit code 4 and a message that names the file. What is on
// the disk is as it was: results are renamed when they are whole. Crashes elsewhere stay what they
// are. For main() of a program; a library does not take signals.
void guard_hdf5_calls();

}  // namespace moesim::sim::io
