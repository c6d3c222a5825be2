# What `cmake --install` puts where. Component devel: libraries, headers and find_package(moesim
# CONFIG), which gives moesim::sim, sim_io, hardware, workloads and validation. Component cli: the
# program, its configurations, man page and completions. Components mpi and python, where they are
# built: moesim-mpi with its man page; Python's module.
include(CMakePackageConfigHelpers)

set(MOESIM_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/moesim)

get_property(libraries GLOBAL PROPERTY MOESIM_LIBRARIES)
list(REMOVE_ITEM libraries moesim_tools)  # the commands are no library for others
install(TARGETS ${libraries} EXPORT moesimTargets ARCHIVE COMPONENT devel)
install(EXPORT moesimTargets NAMESPACE moesim:: DESTINATION ${MOESIM_CMAKE_DIR} COMPONENT devel)

install(DIRECTORY sim hardware workloads validation
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/moesim COMPONENT devel
  FILES_MATCHING PATTERN "*.h"
  PATTERN cuda EXCLUDE
  PATTERN hdf5_library.h EXCLUDE PATTERN hdf5_calls.h EXCLUDE PATTERN hdf5_chunks.h EXCLUDE PATTERN yaml_value.h EXCLUDE PATTERN message.h EXCLUDE)

configure_package_config_file(${PROJECT_SOURCE_DIR}/tools/cmake/moesimConfig.cmake.in
  ${PROJECT_BINARY_DIR}/moesimConfig.cmake INSTALL_DESTINATION ${MOESIM_CMAKE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/moesimConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/moesimConfig.cmake ${PROJECT_BINARY_DIR}/moesimConfigVersion.cmake
  DESTINATION ${MOESIM_CMAKE_DIR} COMPONENT devel)

install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/moesim COMPONENT cli)
install(FILES tools/report/template/report.html DESTINATION ${CMAKE_INSTALL_DATADIR}/moesim COMPONENT cli)
