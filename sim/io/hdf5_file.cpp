#include "sim/io/hdf5_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/error.h"
#include "sim/io/hdf5_chunks.h"
#include "sim/io/hdf5_library.h"

namespace moesim::sim::io {

Hdf5File Hdf5File::open(const std::filesystem::path& file) {
  Hdf5File opened;
  opened.name_ = file.string();
  const std::string name = opened.name_;  // `opened` moves when it is returned
  load_hdf5(name);
  const Hdf5Quiet quiet(name);
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(file, error);
  if (status.type() != std::filesystem::file_type::regular) {
    throw InputError(fmt::format("{}: cannot be read: {}", opened.name_,
                                 error ? error.message() : "it is no file"));
  }
  const RootTexts texts = check_root_attributes(file);
  if (!texts.are_all_here) check_hdf5_heaps(file);
  check_text_references(file, texts.references);
  const Hdf5Handle access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, opened.name_, kHdf5Damaged);
  // Reading takes no lock, so that a file on a read-only or a network disk can be read.
  check(H5Pset_file_locking(access.id(), 0, 1), opened.name_, kHdf5Damaged);
  check(H5Pset_fclose_degree(access.id(), H5F_CLOSE_WEAK), opened.name_, kHdf5Damaged);
  const hid_t id = H5Fopen(opened.name_.c_str(), H5F_ACC_RDONLY, access.id());
  if (id < 0) {
    const std::string reason = hdf5_reason();
    throw InputError(
        fmt::format("{}: is no HDF5 file, or a damaged one: {}", opened.name_, reason));
  }
  opened.handle_ = Hdf5Handle(id, H5Fclose);
  return opened;
}

bool Hdf5File::has(const std::string& path) const {
  const Hdf5Quiet quiet(name_);
  const std::string where = fmt::format("{}: {}", name_, path);
  // Each step by itself: the library fails where a group on the way is missing.
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string step = path.substr(0, end);
    const htri_t found = H5Lexists(handle_.id(), step.c_str(), H5P_DEFAULT);
    check(found, where, kHdf5Damaged);
    if (found == 0) return false;
    H5L_info_t link;
    check(H5Lget_info(handle_.id(), step.c_str(), &link, H5P_DEFAULT), where, kHdf5Damaged);
    if (link.type != H5L_TYPE_HARD) {
      throw InputError(fmt::format("{}: is a link, which is not followed", where));
    }
    check_object_header(name_, link.u.address);
    if (end == std::string::npos) return true;
  }
}

std::optional<Hdf5Dataset> Hdf5File::find(const std::string& path) const {
  if (!has(path)) return {};
  return dataset(path);
}

Hdf5Dataset Hdf5File::dataset(const std::string& path) const {
  const Hdf5Quiet quiet(name_);
  Hdf5Dataset dataset;
  dataset.file_ = name_;
  dataset.where_ = fmt::format("{}: {}", name_, path);
  if (!has(path)) throw InputError(fmt::format("{}: is missing", dataset.where_));

  const std::string& where = dataset.where_;
  const Hdf5Handle object =
      own(H5Oopen(handle_.id(), path.c_str(), H5P_DEFAULT), H5Oclose, where, kHdf5Damaged);
  if (H5Iget_type(object.id()) != H5I_DATASET) {
    throw InputError(fmt::format("{}: is a group, not a dataset", where));
  }
  dataset.handle_ =
      own(H5Dopen2(handle_.id(), path.c_str(), H5P_DEFAULT), H5Dclose, where, kHdf5Damaged);
  const Hdf5Handle type = own(H5Dget_type(dataset.handle_.id()), H5Tclose, where, kHdf5Damaged);
  const Hdf5Handle space = own(H5Dget_space(dataset.handle_.id()), H5Sclose, where, kHdf5Damaged);
  dataset.kind_ = kind_of(type.id());
  if (dataset.kind_ == Hdf5Kind::Integer) {
    dataset.is_signed_ = H5Tget_sign(type.id()) == H5T_SGN_2;
    const std::size_t bits = H5Tget_precision(type.id()) - (dataset.is_signed_ ? 1 : 0);
    if (bits > 64)
      throw InputError(
          fmt::format("{}: whole numbers of {} bits", where, H5Tget_precision(type.id())));
    dataset.largest_ = bits == 0 ? 0 : UINT64_MAX >> (64 - bits);
    const std::size_t bytes = H5Tget_size(type.id());
    dataset.plain_bytes_ = H5Tget_precision(type.id()) == 8 * bytes ? bytes : 0;
  }
  if (H5Sget_simple_extent_type(space.id()) == H5S_NULL) {
    dataset.shape_ = {0};
  } else {
    const int rank = H5Sget_simple_extent_ndims(space.id());
    check(rank, where, kHdf5Damaged);
    std::array<hsize_t, H5S_MAX_RANK> extent{};
    check(H5Sget_simple_extent_dims(space.id(), extent.data(), nullptr), where, kHdf5Damaged);
    dataset.shape_.assign(extent.begin(), extent.begin() + rank);
  }
  dataset.chunk_rows_ = check_hdf5_layout(where, dataset.handle_.id(), type.id(), dataset.shape_);

  const std::uint64_t chunk_bytes =
      dataset.chunk_rows_ * dataset.row_size() * H5Tget_size(type.id());
  // Room for two chunks, so that slabs that end inside a chunk do not unpack it twice.
  if (chunk_bytes > std::uint64_t{1} << 19) {
    const Hdf5Handle access = own(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose, where, kHdf5Damaged);
    check(H5Pset_chunk_cache(
              access.id(), 521,
              static_cast<std::size_t>(std::min(2 * chunk_bytes, 2 * kMostChunkBytes)), 1.0),
          where, kHdf5Damaged);
    dataset.handle_ = Hdf5Handle();
    dataset.handle_ =
        own(H5Dopen2(handle_.id(), path.c_str(), access.id()), H5Dclose, where, kHdf5Damaged);
  }
  dataset.chunks_ = Hdf5Chunks::make(dataset.handle_.id(), dataset.shape_);
  return dataset;
}

}  // namespace moesim::sim::io
