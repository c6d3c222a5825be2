#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "sim/check.h"
#include "sim/error.h"
#include "sim/io/hdf5_library.h"
#include "sim/io/temporary_file.h"

namespace moesim::sim::io {
namespace {

constexpr const char* kFailed = kHdf5Unwritten;

// IEEE half precision, of which HDF5 1.10 has no name.
Hdf5Handle half_type(const std::string& where) {
  Hdf5Handle type = own(H5Tcopy(H5T_IEEE_F32LE), H5Tclose, where, kFailed);
  check(H5Tset_fields(type.id(), 15, 10, 5, 0, 10), where, kFailed);
  check(H5Tset_size(type.id(), 2), where, kFailed);
  check(H5Tset_ebias(type.id(), 15), where, kFailed);
  return type;
}

hid_t standard_type(Hdf5Writer::Stored stored) {
  switch (stored) {
    case Hdf5Writer::Stored::U1:
      return H5T_STD_U8LE;
    case Hdf5Writer::Stored::U2:
      return H5T_STD_U16LE;
    case Hdf5Writer::Stored::U4:
      return H5T_STD_U32LE;
    case Hdf5Writer::Stored::U8:
      return H5T_STD_U64LE;
    case Hdf5Writer::Stored::I4:
      return H5T_STD_I32LE;
    case Hdf5Writer::Stored::I8:
      return H5T_STD_I64LE;
    case Hdf5Writer::Stored::F4:
      return H5T_IEEE_F32LE;
    case Hdf5Writer::Stored::F2:
      break;
  }
  return -1;
}

// The least and the most that the type holds.
std::pair<std::int64_t, std::int64_t> range(Hdf5Writer::Stored stored) {
  using Limits = std::numeric_limits<std::int64_t>;
  switch (stored) {
    case Hdf5Writer::Stored::U1:
      return {0, 0xFF};
    case Hdf5Writer::Stored::U2:
      return {0, 0xFFFF};
    case Hdf5Writer::Stored::U4:
      return {0, 0xFFFFFFFF};
    case Hdf5Writer::Stored::U8:
      return {0, Limits::max()};
    case Hdf5Writer::Stored::I4:
      return {-0x80000000LL, 0x7FFFFFFF};
    default:
      return {Limits::min(), Limits::max()};
  }
}

// UTF-8 of variable length, as h5py writes and reads it.
Hdf5Handle text_type(const std::string& where) {
  Hdf5Handle type = own(H5Tcopy(H5T_C_S1), H5Tclose, where, kFailed);
  check(H5Tset_size(type.id(), H5T_VARIABLE), where, kFailed);
  check(H5Tset_cset(type.id(), H5T_CSET_UTF8), where, kFailed);
  return type;
}

Hdf5Handle make_groups(const std::string& where) {
  Hdf5Handle list = own(H5Pcreate(H5P_LINK_CREATE), H5Pclose, where, kFailed);
  check(H5Pset_create_intermediate_group(list.id(), 1), where, kFailed);
  return list;
}

Hdf5Handle creation_list(const std::string& where) {
  Hdf5Handle list = own(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, where, kFailed);
  // No time of day in a result: equal contents are equal bytes.
  check(H5Pset_obj_track_times(list.id(), 0), where, kFailed);
  return list;
}

}  // namespace

struct Hdf5Writer::Dataset {
  std::string where;
  Stored stored = Stored::U1;
  Hdf5Handle handle;
  std::vector<hsize_t> extent;  // outermost first; [0] grows
  std::uint64_t row_size = 1;
};

Hdf5Writer::Hdf5Writer(const std::filesystem::path& file)
    : target_(file), file_(std::make_unique<TemporaryFile>(file)), temporary_(file_->path()) {
  load_hdf5(target_.string());
  const Hdf5Quiet quiet(temporary_.native());
  const Hdf5Handle access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, target_.string(), kFailed);
  check(H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG), target_.string(), kFailed);
  handle_ = own(H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id()), H5Fclose,
                target_.string(), kFailed);
}

Hdf5Writer::~Hdf5Writer() {
  if (handle_.id() < 0) return;
  datasets_.clear();
  handle_ = Hdf5Handle();
}

void Hdf5Writer::attribute(const std::string& name, const std::string& value) {
  const Hdf5Quiet quiet(temporary_.native());
  const std::string where = fmt::format("{}: attribute {}", target_.string(), name);
  const Hdf5Handle type = text_type(where);
  const Hdf5Handle space = own(H5Screate(H5S_SCALAR), H5Sclose, where, kFailed);
  const Hdf5Handle attribute =
      own(H5Acreate2(handle_.id(), name.c_str(), type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT),
          H5Aclose, where, kFailed);
  const char* text = value.c_str();
  check(H5Awrite(attribute.id(), type.id(), static_cast<const void*>(&text)), where, kFailed);
}

void Hdf5Writer::attribute(const std::string& name, std::int64_t value) {
  const Hdf5Quiet quiet(temporary_.native());
  const std::string where = fmt::format("{}: attribute {}", target_.string(), name);
  const Hdf5Handle space = own(H5Screate(H5S_SCALAR), H5Sclose, where, kFailed);
  const Hdf5Handle attribute = own(
      H5Acreate2(handle_.id(), name.c_str(), H5T_STD_I64LE, space.id(), H5P_DEFAULT, H5P_DEFAULT),
      H5Aclose, where, kFailed);
  check(H5Awrite(attribute.id(), H5T_NATIVE_INT64, &value), where, kFailed);
}

void Hdf5Writer::attribute(const std::string& name, std::span<const std::int64_t> values) {
  const Hdf5Quiet quiet(temporary_.native());
  const std::string where = fmt::format("{}: attribute {}", target_.string(), name);
  const hsize_t count = values.size();
  const Hdf5Handle space = own(H5Screate_simple(1, &count, nullptr), H5Sclose, where, kFailed);
  const Hdf5Handle attribute = own(
      H5Acreate2(handle_.id(), name.c_str(), H5T_STD_I64LE, space.id(), H5P_DEFAULT, H5P_DEFAULT),
      H5Aclose, where, kFailed);
  if (values.empty()) return;
  check(H5Awrite(attribute.id(), H5T_NATIVE_INT64, values.data()), where, kFailed);
}

std::size_t Hdf5Writer::create(const std::string& path, Stored stored,
                               std::span<const std::uint64_t> shape) {
  const Hdf5Quiet quiet(temporary_.native());
  Dataset dataset;
  dataset.where = fmt::format("{}: {}", target_.string(), path);
  dataset.stored = stored;
  const std::string& where = dataset.where;
  const Hdf5Handle half = stored == Stored::F2 ? half_type(where) : Hdf5Handle();
  const hid_t type = stored == Stored::F2 ? half.id() : standard_type(stored);

  dataset.extent = {0};
  std::vector<hsize_t> most = {H5S_UNLIMITED}, chunk = {1};
  std::uint64_t row_bytes = H5Tget_size(type);
  for (const std::uint64_t extent : shape) {
    SIM_CHECK(extent > 0, "a row holds values");
    dataset.extent.push_back(extent);
    most.push_back(extent);
    chunk.push_back(extent);
    dataset.row_size *= extent;
    row_bytes *= extent;
  }
  constexpr std::uint64_t kChunkBytes = std::uint64_t{1} << 20;  // the library's chunk cache
  chunk[0] = std::max<std::uint64_t>(kChunkBytes / row_bytes, 1);

  const int rank = static_cast<int>(dataset.extent.size());
  const Hdf5Handle space =
      own(H5Screate_simple(rank, dataset.extent.data(), most.data()), H5Sclose, where, kFailed);
  const Hdf5Handle creation = creation_list(where);
  check(H5Pset_chunk(creation.id(), rank, chunk.data()), where, kFailed);
  check(H5Pset_shuffle(creation.id()), where, kFailed);
  check(H5Pset_deflate(creation.id(), 1), where, kFailed);
  // Room for the chunk that grows, so that short appends do not pack it again each time.
  const Hdf5Handle access = own(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose, where, kFailed);
  check(H5Pset_chunk_cache(access.id(), 521,
                           static_cast<std::size_t>(2 * std::max(kChunkBytes, row_bytes)), 1.0),
        where, kFailed);
  const Hdf5Handle groups = make_groups(where);
  dataset.handle = own(H5Dcreate2(handle_.id(), path.c_str(), type, space.id(), groups.id(),
                                  creation.id(), access.id()),
                       H5Dclose, where, kFailed);
  datasets_.push_back(std::move(dataset));
  return datasets_.size() - 1;
}

template <typename Value>
void Hdf5Writer::append_rows(std::size_t number, std::span<const Value> rows, std::int64_t type) {
  Dataset& dataset = datasets_.at(number);
  SIM_CHECK(rows.size() % dataset.row_size == 0, "whole rows are appended");
  const bool is_float = dataset.stored == Stored::F2 || dataset.stored == Stored::F4;
  SIM_CHECK(is_float == std::is_floating_point_v<Value>,
            "whole numbers are appended to whole numbers, real numbers to real numbers");
  if constexpr (!std::is_floating_point_v<Value>) {
    // The library would clip in silence: -1 becomes 0.
    const auto [least, most] = range(dataset.stored);
    for (const Value value : rows) {
      if (value >= least && value <= most) continue;
      throw InputError(fmt::format("{}: {} does not fit, which holds {} to {}", dataset.where,
                                   value, least, most));
    }
  }
  if (rows.empty()) return;
  const Hdf5Quiet quiet(temporary_.native());
  const std::string& where = dataset.where;
  std::vector<hsize_t> start(dataset.extent.size(), 0), count = dataset.extent;
  start[0] = dataset.extent[0];
  count[0] = rows.size() / dataset.row_size;
  dataset.extent[0] += count[0];
  check(H5Dset_extent(dataset.handle.id(), dataset.extent.data()), where, kFailed);
  const Hdf5Handle to = own(H5Dget_space(dataset.handle.id()), H5Sclose, where, kFailed);
  check(H5Sselect_hyperslab(to.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr),
        where, kFailed);
  const Hdf5Handle from =
      own(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), H5Sclose, where,
          kFailed);
  check(H5Dwrite(dataset.handle.id(), type, from.id(), to.id(), H5P_DEFAULT, rows.data()), where,
        kFailed);
}

void Hdf5Writer::append(std::size_t dataset, std::span<const std::int32_t> rows) {
  append_rows(dataset, rows, H5T_NATIVE_INT32);
}
void Hdf5Writer::append(std::size_t dataset, std::span<const std::int64_t> rows) {
  append_rows(dataset, rows, H5T_NATIVE_INT64);
}
void Hdf5Writer::append(std::size_t dataset, std::span<const float> rows) {
  append_rows(dataset, rows, H5T_NATIVE_FLOAT);
}

void Hdf5Writer::strings(const std::string& path, std::span<const std::string> values) {
  const Hdf5Quiet quiet(temporary_.native());
  const std::string where = fmt::format("{}: {}", target_.string(), path);
  const hsize_t count = values.size();
  const Hdf5Handle type = text_type(where);
  const Hdf5Handle space = own(H5Screate_simple(1, &count, nullptr), H5Sclose, where, kFailed);
  const Hdf5Handle creation = creation_list(where);
  const Hdf5Handle groups = make_groups(where);
  const Hdf5Handle dataset = own(H5Dcreate2(handle_.id(), path.c_str(), type.id(), space.id(),
                                            groups.id(), creation.id(), H5P_DEFAULT),
                                 H5Dclose, where, kFailed);
  if (values.empty()) return;
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  check(H5Dwrite(dataset.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                 static_cast<const void*>(pointers.data())),
        where, kFailed);
}

void Hdf5Writer::close() {
  SIM_CHECK(handle_.id() >= 0, "a writer is closed once");
  const Hdf5Quiet quiet(temporary_.native());
  datasets_.clear();
  // Flushed first: closing does not say that the disk was full.
  check(H5Fflush(handle_.id(), H5F_SCOPE_LOCAL), target_.string(), kFailed);
  handle_ = Hdf5Handle();
  file_->commit();
}

}  // namespace moesim::sim::io
