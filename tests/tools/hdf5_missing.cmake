# Without its HDF5 library the program runs what needs no trace, and says what it lacks where one is
# opened. An empty file of the library's name, found first, stands for a missing one.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
file(WRITE ${WORK}/${LIBRARY} "")

function(run result_name)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${WORK} ${PROGRAM} ${ARGN}
    WORKING_DIRECTORY ${SOURCE} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE error)
  set(${result_name} ${result} PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
  set(error "${error}" PARENT_SCOPE)
endfunction()

run(result run configs/scenarios/llama-2-70b-decode-h100.yaml)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "a scenario without a trace: ${result}\n${error}")
endif()

run(result trace info configs/traces/mixtral-like.h5)
set(expected "configs/traces/mixtral-like.h5: the HDF5 library, which reads and writes traces, cannot be loaded: ${WORK}/${LIBRARY}: file too short; install it (Debian 12: libhdf5-103-1)\n")
if(NOT result EQUAL 4 OR NOT error STREQUAL expected)
  message(FATAL_ERROR "a trace: ${result}\n${error}\nnot 4\n${expected}")
endif()

run(result doctor)
if(NOT output MATCHES "HDF5 +not there: traces cannot be read")
  message(FATAL_ERROR "doctor: ${result}\n${output}${error}")
endif()
