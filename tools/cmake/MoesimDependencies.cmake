# Every library the project uses, found once. Debian 12's package is named beside each.
find_package(Boost 1.74 REQUIRED)           # libboost-graph-dev (headers only)
find_package(fmt 9 REQUIRED)                # libfmt-dev
find_package(yaml-cpp 0.7 REQUIRED)         # libyaml-cpp-dev
find_package(HDF5 REQUIRED COMPONENTS C)    # libhdf5-dev
find_package(nlohmann_json 3.11 REQUIRED)   # nlohmann-json3-dev
find_package(ZLIB REQUIRED)                 # zlib1g-dev
find_package(SQLite3 3.34 REQUIRED)          # libsqlite3-dev: the store of studies
find_package(CLI11 2.1 REQUIRED)            # libcli11-dev
find_package(Threads REQUIRED)

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
