// The HDF5 library's functions and constants, found when they are first used: it and the thirty
// libraries that it stands on (curl, Kerberos, …) are loaded by whoever opens an HDF5 file, not by
// every start of the program. Inside moesim::sim::io the names mean these, so that code reads as if
// it were linked. Only for the files of the reader and the writer.
//
// Where the build knows no shared library (MOESIM_HDF5_LIBRARY), the program is linked with it.
#pragma once

#include <hdf5.h>

#include <atomic>
#include <string>

namespace moesim::sim::io {

// Throws InputError "FILE: the HDF5 library, which reads and writes traces, cannot be loaded: …"
// where it is not there. Afterwards all names below may be used, and not before.
void load_hdf5(const std::string& file);

#ifdef MOESIM_HDF5_LIBRARY

// Null where the library is not there, or has no such name.
void* hdf5_symbol(const char* name);

// Converts to a pointer to what it names, and so is called as it is.
template <class Type>
class Hdf5Name {
 public:
  constexpr explicit Hdf5Name(const char* name) : name_(name) {}

  Type* address() const {
    void* address = address_.load(std::memory_order_relaxed);
    if (address == nullptr) {
      address = hdf5_symbol(name_);
      address_.store(address, std::memory_order_relaxed);
    }
    return reinterpret_cast<Type*>(address);
  }

 private:
  const char* name_;
  mutable std::atomic<void*> address_ = nullptr;
};

template <class Type>
struct Hdf5Function : Hdf5Name<Type> {
  using Hdf5Name<Type>::Hdf5Name;
  operator Type*() const { return this->address(); }  // NOLINT(google-explicit-constructor)
};

struct Hdf5Constant : Hdf5Name<hid_t> {
  using Hdf5Name<hid_t>::Hdf5Name;
  operator hid_t() const { return *this->address(); }  // NOLINT(google-explicit-constructor)
};

// A name that is declared cannot stand in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define MOESIM_HDF5_TEXT(name) #name
#define MOESIM_HDF5_FUNCTION(name)                   \
  inline const Hdf5Function<decltype(::name)> name { \
    MOESIM_HDF5_TEXT(name)                           \
  }
#define MOESIM_HDF5_CONSTANT(name) \
  inline const Hdf5Constant name { \
    MOESIM_HDF5_TEXT(name)         \
  }
// NOLINTEND(bugprone-macro-parentheses)

MOESIM_HDF5_FUNCTION(H5open);
MOESIM_HDF5_FUNCTION(H5dont_atexit);
MOESIM_HDF5_FUNCTION(H5check_version);
MOESIM_HDF5_FUNCTION(H5get_libversion);
MOESIM_HDF5_FUNCTION(H5Aclose);
MOESIM_HDF5_FUNCTION(H5Acreate2);
MOESIM_HDF5_FUNCTION(H5Aexists_by_name);
MOESIM_HDF5_FUNCTION(H5Aget_space);
MOESIM_HDF5_FUNCTION(H5Aget_type);
MOESIM_HDF5_FUNCTION(H5Aopen_by_name);
MOESIM_HDF5_FUNCTION(H5Aread);
MOESIM_HDF5_FUNCTION(H5Awrite);
MOESIM_HDF5_FUNCTION(H5Dclose);
MOESIM_HDF5_FUNCTION(H5Dcreate2);
MOESIM_HDF5_FUNCTION(H5Dget_chunk_storage_size);
MOESIM_HDF5_FUNCTION(H5Dget_create_plist);
MOESIM_HDF5_FUNCTION(H5Dget_offset);
MOESIM_HDF5_FUNCTION(H5Dget_space);
MOESIM_HDF5_FUNCTION(H5Dget_storage_size);
MOESIM_HDF5_FUNCTION(H5Dget_type);
MOESIM_HDF5_FUNCTION(H5Dopen2);
MOESIM_HDF5_FUNCTION(H5Dread);
MOESIM_HDF5_FUNCTION(H5Dread_chunk);
MOESIM_HDF5_FUNCTION(H5Dset_extent);
MOESIM_HDF5_FUNCTION(H5Dvlen_get_buf_size);
MOESIM_HDF5_FUNCTION(H5Dvlen_reclaim);
MOESIM_HDF5_FUNCTION(H5Dwrite);
MOESIM_HDF5_FUNCTION(H5Eclear2);
MOESIM_HDF5_FUNCTION(H5Eget_auto2);
MOESIM_HDF5_FUNCTION(H5Eset_auto2);
MOESIM_HDF5_FUNCTION(H5Ewalk2);
MOESIM_HDF5_FUNCTION(H5Fclose);
MOESIM_HDF5_FUNCTION(H5Fcreate);
MOESIM_HDF5_FUNCTION(H5Fflush);
MOESIM_HDF5_FUNCTION(H5Fopen);
MOESIM_HDF5_FUNCTION(H5Iget_type);
MOESIM_HDF5_FUNCTION(H5Lexists);
MOESIM_HDF5_FUNCTION(H5Lget_info);
MOESIM_HDF5_FUNCTION(H5Oclose);
MOESIM_HDF5_FUNCTION(H5Oopen);
MOESIM_HDF5_FUNCTION(H5Pclose);
MOESIM_HDF5_FUNCTION(H5Pcreate);
MOESIM_HDF5_FUNCTION(H5Pget_chunk);
MOESIM_HDF5_FUNCTION(H5Pget_external_count);
MOESIM_HDF5_FUNCTION(H5Pget_filter2);
MOESIM_HDF5_FUNCTION(H5Pget_layout);
MOESIM_HDF5_FUNCTION(H5Pget_nfilters);
MOESIM_HDF5_FUNCTION(H5Pset_chunk);
MOESIM_HDF5_FUNCTION(H5Pset_chunk_cache);
MOESIM_HDF5_FUNCTION(H5Pset_create_intermediate_group);
MOESIM_HDF5_FUNCTION(H5Pset_deflate);
MOESIM_HDF5_FUNCTION(H5Pset_fclose_degree);
MOESIM_HDF5_FUNCTION(H5Pset_file_locking);
MOESIM_HDF5_FUNCTION(H5Pset_obj_track_times);
MOESIM_HDF5_FUNCTION(H5Pset_shuffle);
MOESIM_HDF5_FUNCTION(H5Sclose);
MOESIM_HDF5_FUNCTION(H5Screate);
MOESIM_HDF5_FUNCTION(H5Screate_simple);
MOESIM_HDF5_FUNCTION(H5Sget_simple_extent_dims);
MOESIM_HDF5_FUNCTION(H5Sget_simple_extent_ndims);
MOESIM_HDF5_FUNCTION(H5Sget_simple_extent_npoints);
MOESIM_HDF5_FUNCTION(H5Sget_simple_extent_type);
MOESIM_HDF5_FUNCTION(H5Sselect_hyperslab);
MOESIM_HDF5_FUNCTION(H5Tclose);
MOESIM_HDF5_FUNCTION(H5Tcopy);
MOESIM_HDF5_FUNCTION(H5Tget_class);
MOESIM_HDF5_FUNCTION(H5Tget_cset);
MOESIM_HDF5_FUNCTION(H5Tget_order);
MOESIM_HDF5_FUNCTION(H5Tget_precision);
MOESIM_HDF5_FUNCTION(H5Tget_sign);
MOESIM_HDF5_FUNCTION(H5Tget_size);
MOESIM_HDF5_FUNCTION(H5Tget_strpad);
MOESIM_HDF5_FUNCTION(H5Tget_super);
MOESIM_HDF5_FUNCTION(H5Tis_variable_str);
MOESIM_HDF5_FUNCTION(H5Tset_cset);
MOESIM_HDF5_FUNCTION(H5Tset_ebias);
MOESIM_HDF5_FUNCTION(H5Tset_fields);
MOESIM_HDF5_FUNCTION(H5Tset_size);
MOESIM_HDF5_FUNCTION(H5Tset_strpad);
MOESIM_HDF5_FUNCTION(H5Zfilter_avail);
MOESIM_HDF5_CONSTANT(H5P_CLS_DATASET_ACCESS_ID_g);
MOESIM_HDF5_CONSTANT(H5P_CLS_DATASET_CREATE_ID_g);
MOESIM_HDF5_CONSTANT(H5P_CLS_FILE_ACCESS_ID_g);
MOESIM_HDF5_CONSTANT(H5P_CLS_LINK_CREATE_ID_g);
MOESIM_HDF5_CONSTANT(H5T_C_S1_g);
MOESIM_HDF5_CONSTANT(H5T_IEEE_F32LE_g);
MOESIM_HDF5_CONSTANT(H5T_NATIVE_DOUBLE_g);
MOESIM_HDF5_CONSTANT(H5T_NATIVE_FLOAT_g);
MOESIM_HDF5_CONSTANT(H5T_NATIVE_INT16_g);
MOESIM_HDF5_CONSTANT(H5T_NATIVE_INT32_g);
MOESIM_HDF5_CONSTANT(H5T_NATIVE_INT64_g);
MOESIM_HDF5_CONSTANT(H5T_NATIVE_INT8_g);
MOESIM_HDF5_CONSTANT(H5T_NATIVE_UINT16_g);
MOESIM_HDF5_CONSTANT(H5T_NATIVE_UINT32_g);
MOESIM_HDF5_CONSTANT(H5T_NATIVE_UINT64_g);
MOESIM_HDF5_CONSTANT(H5T_NATIVE_UINT8_g);
MOESIM_HDF5_CONSTANT(H5T_STD_I32LE_g);
MOESIM_HDF5_CONSTANT(H5T_STD_I64LE_g);
MOESIM_HDF5_CONSTANT(H5T_STD_U16LE_g);
MOESIM_HDF5_CONSTANT(H5T_STD_U32LE_g);
MOESIM_HDF5_CONSTANT(H5T_STD_U64LE_g);
MOESIM_HDF5_CONSTANT(H5T_STD_U8LE_g);
#undef MOESIM_HDF5_CONSTANT
#undef MOESIM_HDF5_FUNCTION
#undef MOESIM_HDF5_TEXT

#endif

}  // namespace moesim::sim::io
