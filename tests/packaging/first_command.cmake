# The README's first command as far as it costs no build, with the packages hidden that only the
# tests need: its configure step, and that its build step makes all that its install step copies.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/readme.cmake)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: ${result}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

# How many steps it takes to build targets (names or files) in a folder where nothing is built.
function(count_steps count)
  run(${CMAKE_COMMAND} --build ${WORK} --target ${ARGN} -- -n)
  if(NOT output MATCHES "\\[1/([0-9]+)\\]")
    message(FATAL_ERROR "the dry run of ${ARGN} printed: ${output}")
  endif()
  set(${count} ${CMAKE_MATCH_1} PARENT_SCOPE)
endfunction()

read_first_command(${SOURCE}/README.md)
file(REMOVE_RECURSE ${WORK})
# (What is optional is a component of its own, which the first command neither builds nor installs.)
run(${CMAKE_COMMAND} --preset ${preset} -S ${SOURCE} -B ${WORK} -DMOESIM_MPI=OFF -DMOESIM_PYTHON_MODULE=OFF
  -DCMAKE_DISABLE_FIND_PACKAGE_doctest=ON -DCMAKE_DISABLE_FIND_PACKAGE_benchmark=ON
  -DCMAKE_C_COMPILER=${C_COMPILER} -DCMAKE_CXX_COMPILER=${CXX_COMPILER})

# Hidden from CMake, the packages' headers are still where the compiler finds them.
file(GLOB_RECURSE sources ${SOURCE}/sim/*.* ${SOURCE}/hardware/*.* ${SOURCE}/workloads/*.* ${SOURCE}/validation/*.* ${SOURCE}/tools/*.*)
foreach(source IN LISTS sources)
  if(source MATCHES "\\.(h|cpp)$")
    file(STRINGS ${source} includes REGEX "^#include <(doctest|benchmark)/")
    if(includes)
      message(FATAL_ERROR "${source} includes what only tests may: ${includes}")
    endif()
  endif()
endforeach()

# What is copied out of the build folder and is not there after configuring.
file(GLOB_RECURSE scripts ${WORK}/cmake_install.cmake)
set(copied)
foreach(script IN LISTS scripts)
  file(STRINGS ${script} lines REGEX "file\\(INSTALL .*\"${WORK}/")
  foreach(line IN LISTS lines)
    string(REGEX MATCHALL "\"${WORK}/[^\"]+\"" files "${line}")
    foreach(file IN LISTS files)
      string(REPLACE "\"" "" file ${file})
      if(NOT line MATCHES " OPTIONAL " AND NOT EXISTS ${file})
        file(RELATIVE_PATH file ${WORK} ${file})
        list(APPEND copied ${file})
      endif()
    endforeach()
  endforeach()
endforeach()
foreach(file tools/moesim/moesim tools/moesim/moesim.bash sim/libmoesim_sim.a)
  if(NOT file IN_LIST copied)
    message(FATAL_ERROR "${file} is not installed; what is: ${copied}")
  endif()
endforeach()

# Files that the build step makes anyway add no step to it.
count_steps(alone ${target})
foreach(file IN LISTS copied)
  count_steps(with_file ${target} ${file})
  if(NOT with_file EQUAL alone)
    message(FATAL_ERROR "${file} is installed, but target ${target} does not make it")
  endif()
endforeach()
