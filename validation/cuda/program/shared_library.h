// A library that may or may not be on this machine, opened at run time.
#pragma once

#include <string>
#include <vector>

namespace moesim::validation::cuda {

class SharedLibrary {
 public:
  // Opens the first of `names` that is found, by itself and then in each of `folders`.
  SharedLibrary(const std::vector<std::string>& names, const std::vector<std::string>& folders);
  ~SharedLibrary();
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;

  explicit operator bool() const { return handle_ != nullptr; }
  const std::string& path() const { return path_; }  // as it was opened

  // Null where the library has no such symbol.
  template <class Function>
  Function* find(const char* symbol) const {
    return reinterpret_cast<Function*>(address(symbol));
  }

 private:
  void* address(const char* symbol) const;
  void* handle_ = nullptr;
  std::string path_;
};

// Where libraries of a CUDA installation may lie: $MOESIM_CUBLAS_DIR, /usr/local/cuda/lib64.
std::vector<std::string> cuda_library_folders();

}  // namespace moesim::validation::cuda
