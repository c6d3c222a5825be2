// A file that grows under another name and takes the target's place when it is whole.
#pragma once

#include <filesystem>
#include <string>

namespace moesim::sim::io {

// Makes an empty file of a name that nobody can guess, and that nobody else has, beside the target
// (behind a link: beside what it leads to, which is then replaced, never the link). A target that
// is no plain file, a device, a pipe, standard output, is never replaced: the temporary lies in the
// folder for such files, and commit() writes what it holds into the target.
//
// What is not committed is removed: with this, and by remove_temporaries() when a signal ends the
// program.
class TemporaryFile {
 public:
  // Throws Error "TARGET: cannot be written: why", as of standard output (ExitCode::Failed).
  explicit TemporaryFile(const std::filesystem::path& target);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // The contents are on the disk, and have their name, when it returns. Once. Throws the same;
  // the target is then as it was, unless it is no plain file.
  void commit();

 private:
  [[noreturn]] void fail(int error) const;
  void copy_into_target();
  void forget();

  std::filesystem::path target_, path_;
  bool in_place_ = false;  // the target is no plain file
  int slot_ = -1;
};

// Removes the temporary files that there are. May be called in a signal handler.
void remove_temporaries();

}  // namespace moesim::sim::io
