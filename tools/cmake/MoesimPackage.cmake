# Debian packages by `cpack --config build/PRESET/CPackConfig.cmake`: moesim (component cli: program,
# configurations, page of a report, man page, completions) and moesim-dev (component devel:
# libraries and headers), and where they are built moesim-mpi (component mpi) and python3-moesim (component
# python), which go with a moesim of the same version. What they need of the system is found by dpkg-shlibdeps.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME moesim)
set(MOESIM_MAINTAINER "moesim developers <moesim@localhost>" CACHE STRING "Who makes the packages: Name <mail>")
set(CPACK_PACKAGE_CONTACT "${MOESIM_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "simulator of Mixture-of-Experts cluster performance")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/tools/cmake/compress_pages.cmake)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # what is packed is built before, as for cmake --install
set(CPACK_COMPONENTS_ALL cli devel)
set(packages "moesim cli" "moesim-dev devel")  # each with the component that it is made of
if(MOESIM_HAVE_MPI)
  list(APPEND CPACK_COMPONENTS_ALL mpi)
  list(APPEND packages "moesim-mpi mpi")
endif()
if(MOESIM_HAVE_PYTHON_MODULE)
  list(APPEND CPACK_COMPONENTS_ALL python)
  list(APPEND packages "python3-moesim python")
endif()
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_CLI_PACKAGE_NAME moesim)
set(CPACK_DEBIAN_CLI_PACKAGE_SECTION science)
# Opened when a trace or a sheet in HDF5 is read, and not before.
set(CPACK_DEBIAN_CLI_PACKAGE_DEPENDS "libhdf5-103-1")
set(CPACK_DEBIAN_DEVEL_PACKAGE_NAME moesim-dev)
set(CPACK_DEBIAN_DEVEL_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVEL_PACKAGE_DEPENDS
  "libboost-dev, libyaml-cpp-dev, libfmt-dev, nlohmann-json3-dev, zlib1g-dev, libdeflate-dev, libsqlite3-dev, libhdf5-dev")
set(CPACK_COMPONENT_CLI_DESCRIPTION
  "Expert-routing traces drive hardware models of GPUs, NVLink and InfiniBand:\n"
  "steps of decode, prefill and training, services with their latencies, sweeps\n"
  "and comparisons, each with how far it can be trusted.")
set(CPACK_DEBIAN_MPI_PACKAGE_NAME moesim-mpi)
set(CPACK_DEBIAN_MPI_PACKAGE_SECTION science)
set(CPACK_DEBIAN_MPI_PACKAGE_DEPENDS "moesim (= ${PROJECT_VERSION}), libhdf5-103-1")
set(CPACK_DEBIAN_MPI_PACKAGE_RECOMMENDS "openmpi-bin")
set(CPACK_COMPONENT_MPI_DESCRIPTION
  "The ranks of an MPI job play the points of a sweep, one of them writes the\nstore; what is lost with a rank is gone on with.")
# The module is made for one minor version of Python.
set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-moesim)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
math(EXPR next_python "${Python3_VERSION_MINOR} + 1")
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS
  "moesim (= ${PROJECT_VERSION}), libhdf5-103-1, python3 (>= 3.${Python3_VERSION_MINOR}), python3 (<< 3.${next_python})")
set(CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS "python3-numpy, python3-pandas, python3-matplotlib")
set(CPACK_COMPONENT_PYTHON_DESCRIPTION
  "Python's module moesim: runs, sweeps, plans and comparisons, their results\nas dicts that pandas makes tables of.")
list(JOIN CPACK_COMPONENT_CLI_DESCRIPTION "" CPACK_COMPONENT_CLI_DESCRIPTION)
set(CPACK_COMPONENT_DEVEL_DESCRIPTION
  "Static libraries, headers and find_package(moesim CONFIG): the engine, the\nhardware models, the workloads and their validation.")

# What Debian's policy asks of a package: who may do what with it, and what changed.
string(TIMESTAMP MOESIM_YEAR "%Y" UTC)
string(TIMESTAMP MOESIM_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
set(package_files ${PROJECT_BINARY_DIR}/package)
file(WRITE ${package_files}/copyright
"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: moesim

Files: *
Copyright: ${MOESIM_YEAR} the moesim developers
License: Apache-2.0
 On Debian systems the text of the licence is in /usr/share/common-licenses/Apache-2.0.
")
foreach(package IN LISTS packages)
  string(REPLACE " " ";" package ${package})
  list(GET package 1 component)
  list(GET package 0 package)
  file(WRITE ${package_files}/${package}/changelog
"${package} (${PROJECT_VERSION}) unstable; urgency=medium

  * As it was built.

 -- ${MOESIM_MAINTAINER}  ${MOESIM_DATE}
")
  install(FILES ${package_files}/${package}/changelog DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package}
    COMPONENT ${component})
  install(FILES ${package_files}/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component})
endforeach()

include(CPack)
