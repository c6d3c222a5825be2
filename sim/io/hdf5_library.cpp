#include "sim/io/hdf5_library.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "sim/error.h"
#include "sim/io/message.h"

namespace moesim::sim::io {
namespace {

// The walk begins with the innermost error.
herr_t keep_first(unsigned n, const H5E_error2_t* error, void* text) {
  if (n == 0 && error->desc != nullptr) *static_cast<std::string*>(text) = error->desc;
  return 0;
}

}  // namespace

Hdf5Quiet::Hdf5Quiet(const std::string& file) : call_(file.c_str()) {
  // A damaged file can leave the library with handles of its own that it cannot close when the
  // program ends; it then prints about it. All of ours are closed by then.
  [[maybe_unused]] static const herr_t kQuietAtExit = H5dont_atexit();
  H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Hdf5Quiet::~Hdf5Quiet() {
  H5Eset_auto2(H5E_DEFAULT, function_, data_);
}

std::string hdf5_reason() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &text);
  H5Eclear2(H5E_DEFAULT);
  return text.empty() ? "no reason given" : printable(text, 200);
}

Hdf5Handle::Hdf5Handle(Hdf5Handle&& other) noexcept
    : id_(std::exchange(other.id_, -1)), close_(other.close_) {}

Hdf5Handle& Hdf5Handle::operator=(Hdf5Handle&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(close_, other.close_);
  return *this;
}

Hdf5Handle::~Hdf5Handle() {
  if (id_ < 0) return;
  static const std::string kSome = "an HDF5 file";
  const Hdf5Quiet quiet(kSome);
  close_(id_);
}

Hdf5Handle own(hid_t id, Hdf5Handle::Close close, const std::string& where, const char* what) {
  if (id < 0) check(-1, where, what);
  return Hdf5Handle(id, close);
}

void check(herr_t status, const std::string& where, const char* what) {
  if (status >= 0) return;
  throw Error(std::string_view(what) == kHdf5Unwritten ? ExitCode::Failed : ExitCode::DamagedInput,
              fmt::format("{}: {}: {}", where, what, hdf5_reason()));
}

Hdf5Kind kind_of(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return H5Tget_size(type) <= 8 ? Hdf5Kind::Integer : Hdf5Kind::Other;
    case H5T_FLOAT:
      return H5Tget_size(type) <= 16 ? Hdf5Kind::Float : Hdf5Kind::Other;
    case H5T_STRING:
      return Hdf5Kind::String;
    default:
      return Hdf5Kind::Other;
  }
}

const char* kind_text(Hdf5Kind kind) {
  switch (kind) {
    case Hdf5Kind::Integer:
      return "whole numbers";
    case Hdf5Kind::Float:
      return "real numbers";
    case Hdf5Kind::String:
      return "text";
    case Hdf5Kind::Other:
      return "another type";
  }
  return "";
}

}  // namespace moesim::sim::io
