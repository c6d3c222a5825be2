# read_first_command(README.md) takes the first of the "Two commands" apart. Sets preset, target, component and scenario; fails
# where the command has another form, so that what the tests try stays what a newcomer types.
function(read_first_command readme)
  file(STRINGS ${readme} lines REGEX "^    tools/install-packages.sh build && " ENCODING UTF-8)
  if(NOT lines MATCHES "^    tools/install-packages.sh build && cmake --preset ([a-z]+) && cmake --build --preset ([a-z]+) --target ([a-z]+) && cmake --install build/([a-z]+) --component ([a-z]+) && /usr/local/bin/moesim run ([^ ;]+)$")
    message(FATAL_ERROR "${readme}: the first command has another form: ${lines}")
  endif()
  set(preset ${CMAKE_MATCH_1})
  set(target ${CMAKE_MATCH_3})
  set(component ${CMAKE_MATCH_5})
  set(scenario ${CMAKE_MATCH_6})
  if(NOT preset STREQUAL CMAKE_MATCH_2 OR NOT preset STREQUAL CMAKE_MATCH_4)
    message(FATAL_ERROR "${readme}: the first command builds in one folder and installs from another: ${lines}")
  endif()
  return(PROPAGATE preset target component scenario)
endfunction()

# Runs a command in the folder ${WORK}/elsewhere, far from the sources. Sets output; fails where it does.
function(run)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${WORK}/elsewhere RESULT_VARIABLE result
    OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: ${result}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()
