# Every library the project uses, found once. Debian 12's package is named beside each.
find_package(Boost 1.74 REQUIRED)           # libboost-graph-dev (headers only)
find_package(fmt 9 REQUIRED)                # libfmt-dev
find_package(yaml-cpp 0.7 REQUIRED)         # libyaml-cpp-dev
find_package(HDF5 REQUIRED COMPONENTS C)    # libhdf5-dev
find_package(nlohmann_json 3.11 REQUIRED)   # nlohmann-json3-dev
find_package(RapidJSON 1.1 REQUIRED)        # rapidjson-dev (headers only): recordings of gigabytes
find_package(ZLIB REQUIRED)                 # zlib1g-dev
find_package(SQLite3 3.34 REQUIRED)          # libsqlite3-dev: the store of studies
find_package(CLI11 2.1 REQUIRED)            # libcli11-dev
find_package(Threads REQUIRED)

# HDF5 stands on thirty libraries, which cost each start of the program 5 ms: where it is a shared
# library in a folder that the loader searches, it is loaded when a trace is opened. A package then
# has to name it among what it depends on (Debian 12: libhdf5-103-1), since nothing links to it.
set(_moesim_hdf5 "")
list(GET HDF5_C_LIBRARIES 0 _moesim_hdf5_file)
file(REAL_PATH "${_moesim_hdf5_file}" _moesim_hdf5_file)
get_filename_component(_moesim_hdf5_folder "${_moesim_hdf5_file}" DIRECTORY)
if(_moesim_hdf5_folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES AND CMAKE_OBJDUMP)
  execute_process(COMMAND ${CMAKE_OBJDUMP} -p ${_moesim_hdf5_file} OUTPUT_VARIABLE _moesim_headers ERROR_QUIET)
  if(_moesim_headers MATCHES "SONAME +([^\n ]+)")
    set(_moesim_hdf5 ${CMAKE_MATCH_1})
  endif()
endif()
set(MOESIM_HDF5_LIBRARY "${_moesim_hdf5}" CACHE STRING
  "The HDF5 library to load when a trace is opened; empty: the program is linked with it")

# Optional: traces are read two to three times as fast. It has no CMake package in Debian 12.
find_library(MOESIM_LIBDEFLATE_LIBRARY deflate)   # libdeflate-dev
find_path(MOESIM_LIBDEFLATE_INCLUDE libdeflate.h)
mark_as_advanced(MOESIM_LIBDEFLATE_LIBRARY MOESIM_LIBDEFLATE_INCLUDE)
if(MOESIM_LIBDEFLATE_LIBRARY AND MOESIM_LIBDEFLATE_INCLUDE)
  set(_moesim_libdeflate ON)
else()
  set(_moesim_libdeflate OFF)
endif()
option(MOESIM_LIBDEFLATE "Unpack traces with libdeflate" ${_moesim_libdeflate})

if(TARGET yaml-cpp::yaml-cpp)               # 0.8 names it so, 0.7 does not
  set(MOESIM_YAML_CPP yaml-cpp::yaml-cpp)
else()
  set(MOESIM_YAML_CPP yaml-cpp)
endif()

if(MOESIM_TESTS)
  find_package(doctest 2.4 QUIET)           # doctest-dev
  if(NOT doctest_FOUND)
    message(FATAL_ERROR "The tests need doctest 2.4 or later (Debian's package is doctest-dev). "
      "Without tests: -DMOESIM_TESTS=OFF, as the preset release has it.")
  endif()
endif()
if(MOESIM_BENCH)
  find_package(benchmark 1.7 QUIET)         # libbenchmark-dev
endif()
