#include <fmt/format.h>

#include <cstring>

#include "sim/error.h"
#include "sim/io/hdf5_library.h"

namespace moesim::sim::io {

Hdf5TextType::Hdf5TextType(hid_t stored, const std::string& where) : where_(where) {
  const htri_t variable = H5Tis_variable_str(stored);
  check(variable, where, kHdf5Damaged);
  variable_ = variable > 0;
  if (variable_) {
    // The library takes that much for each character of a text before it looks.
    const Hdf5Handle character = own(H5Tget_super(stored), H5Tclose, where, kHdf5Damaged);
    if (const std::size_t bytes = H5Tget_size(character.id()); bytes != 1) {
      throw InputError(
          fmt::format("{}: is damaged: a text whose characters have {} bytes", where, bytes));
    }
  }
  space_padded_ = H5Tget_strpad(stored) == H5T_STR_SPACEPAD;
  size_ = variable_ ? sizeof(char*) : H5Tget_size(stored);
  handle_ = own(H5Tcopy(H5T_C_S1), H5Tclose, where, kHdf5Damaged);
  check(H5Tset_size(id(), variable_ ? H5T_VARIABLE : size_), where, kHdf5Damaged);
  check(H5Tset_cset(id(), H5Tget_cset(stored)), where, kHdf5Damaged);
  if (!variable_) check(H5Tset_strpad(id(), H5Tget_strpad(stored)), where, kHdf5Damaged);
}

std::vector<std::string> Hdf5TextType::read(std::size_t count, hid_t space,
                                            const std::function<herr_t(void*)>& read) const {
  std::vector<std::string> texts;
  texts.reserve(count);
  if (variable_) {
    std::vector<char*> pointers(count, nullptr);
    void* const out = static_cast<void*>(pointers.data());
    const herr_t status = read(out);
    if (status >= 0) {
      for (const char* text : pointers) texts.emplace_back(text == nullptr ? "" : text);
    }
    H5Dvlen_reclaim(id(), space, H5P_DEFAULT, out);
    check(status, where_, kHdf5Damaged);
    return texts;
  }
  std::vector<char> bytes(count * size_);
  check(read(bytes.data()), where_, kHdf5Damaged);
  for (std::size_t i = 0; i < count; ++i) {
    const char* const start = bytes.data() + i * size_;
    std::size_t length = ::strnlen(start, size_);
    while (space_padded_ && length > 0 && start[length - 1] == ' ') --length;
    texts.emplace_back(start, length);
  }
  return texts;
}

}  // namespace moesim::sim::io
