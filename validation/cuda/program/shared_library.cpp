#include "validation/cuda/program/shared_library.h"

#include <dlfcn.h>

#include <cstdlib>

namespace moesim::validation::cuda {

SharedLibrary::SharedLibrary(const std::vector<std::string>& names,
                             const std::vector<std::string>& folders) {
  std::vector<std::string> prefixes{""};
  for (const std::string& folder : folders) prefixes.push_back(folder + "/");
  for (const std::string& prefix : prefixes) {
    for (const std::string& name : names) {
      handle_ = dlopen((prefix + name).c_str(), RTLD_NOW | RTLD_GLOBAL);
      if (handle_ != nullptr) {
        path_ = prefix + name;
        return;
      }
    }
  }
}

SharedLibrary::~SharedLibrary() {
  if (handle_ != nullptr) dlclose(handle_);
}

void* SharedLibrary::address(const char* symbol) const {
  return handle_ == nullptr ? nullptr : dlsym(handle_, symbol);
}

std::vector<std::string> cuda_library_folders() {
  std::vector<std::string> folders;
  // Set by whoever runs a machine whose libraries came with a Python package.
  if (const char* folder = std::getenv("MOESIM_CUBLAS_DIR")) folders.emplace_back(folder);
  folders.emplace_back("/usr/local/cuda/lib64");
  return folders;
}

}  // namespace moesim::validation::cuda
