# What is built where its libraries are: MOESIM_MPI and MOESIM_PYTHON_MODULE are AUTO (default), ON (required) or OFF
# (never looked for). Sets MOESIM_HAVE_MPI, MOESIM_HAVE_PYTHON_MODULE.
function(moesim_optional name about found_variable why)
  string(TOUPPER "${MOESIM_${name}}" wanted)
  if(NOT wanted MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "MOESIM_${name} must be AUTO, ON or OFF, not '${MOESIM_${name}}'")
  endif()
  set(have FALSE)
  if(wanted STREQUAL "OFF")
    set(why "MOESIM_${name}=OFF")
  elseif(${found_variable})
    set(have TRUE)
  elseif(wanted STREQUAL "ON")
    message(FATAL_ERROR "MOESIM_${name}=ON but ${why}")
  endif()
  set(MOESIM_HAVE_${name} ${have} PARENT_SCOPE)
  if(have)
    message(STATUS "${about}: ON")
  else()
    message(STATUS "${about}: OFF (${why})")
  endif()
endfunction()

set(MOESIM_MPI AUTO CACHE STRING "Build moesim-mpi: AUTO, ON or OFF")
set_property(CACHE MOESIM_MPI PROPERTY STRINGS AUTO ON OFF)
if(NOT MOESIM_MPI STREQUAL "OFF")
  find_package(MPI QUIET COMPONENTS C)      # libopenmpi-dev, openmpi-bin
endif()
moesim_optional(MPI moesim-mpi MPI_C_FOUND "no MPI is found (Debian: libopenmpi-dev openmpi-bin)")

set(MOESIM_PYTHON_MODULE AUTO CACHE STRING "Build Python's module: AUTO, ON or OFF")
set_property(CACHE MOESIM_PYTHON_MODULE PROPERTY STRINGS AUTO ON OFF)
if(NOT MOESIM_PYTHON_MODULE STREQUAL "OFF")
  if(NOT Python3_EXECUTABLE AND EXISTS /usr/bin/python3)                   # the system's, whose packages are Debian's
    set(Python3_EXECUTABLE /usr/bin/python3)
  endif()
  find_package(Python3 QUIET COMPONENTS Interpreter Development.Module)   # python3-dev
  if(Python3_Development.Module_FOUND)
    set(PYTHON_EXECUTABLE ${Python3_EXECUTABLE})                          # as pybind11 2.10 asks
    find_package(pybind11 2.10 CONFIG QUIET)                              # pybind11-dev
  endif()
endif()
if(MOESIM_SANITIZE)  # a module with a sanitizer wants a Python with one
  set(pybind11_FOUND FALSE)
endif()
moesim_optional(PYTHON_MODULE "Python's module" pybind11_FOUND "no pybind11 is found (Debian: pybind11-dev python3-dev), or sanitizers are on")
