# Installs the libraries into an empty folder, configures the downstream project against it, builds
# and runs its program.
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: ${result}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix --component devel)
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/build -G ${GENERATOR}
  -DCMAKE_PREFIX_PATH=${WORK}/prefix -DCMAKE_BUILD_TYPE=${BUILD_TYPE} -DWANTED_VERSION=${VERSION}
  -DCMAKE_C_COMPILER=${C_COMPILER} -DCMAKE_CXX_COMPILER=${CXX_COMPILER})
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/downstream)
if(NOT output STREQUAL "1 GB at 400 Gbit/s: 20 ms\n")
  message(FATAL_ERROR "the downstream program printed: ${output}")
endif()

# Headers that are not for others stay at home, and what is installed does not name the source tree.
if(EXISTS ${WORK}/prefix/include/moesim/sim/io/yaml_value.h)
  message(FATAL_ERROR "an internal header was installed")
endif()
file(GLOB_RECURSE scripts ${WORK}/prefix/*.cmake)
foreach(script IN LISTS scripts)
  file(READ ${script} text)
  string(FIND "${text}" "${BUILD}" place)
  if(NOT place EQUAL -1)
    message(FATAL_ERROR "${script} names the build folder")
  endif()
endforeach()
