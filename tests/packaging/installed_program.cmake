# Installs the program as the README's first command does, but into an empty folder, and uses it far from the sources.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/readme.cmake)

read_first_command(${SOURCE}/README.md)
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK}/elsewhere)
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix --component ${component})
set(moesim ${WORK}/prefix/bin/moesim)

set(pages man/man1/moesim.1 man/man1/moesim-run.1 bash-completion/completions/moesim zsh/site-functions/_moesim
  fish/vendor_completions.d/moesim.fish)
if(LOWDOWN)
  list(APPEND pages man/man5/moesim-scenario.5 man/man5/moesim-plan.5 man/man5/moesim-sweep.5 man/man5/moesim-store.5)
endif()
foreach(page IN LISTS pages)
  file(SIZE ${WORK}/prefix/share/${page} size)
  if(size EQUAL 0)
    message(FATAL_ERROR "${page} is empty")
  endif()
endforeach()

if(LOWDOWN)
  # A key of each table that the page is made of.
  file(READ ${WORK}/prefix/share/man/man5/moesim-scenario.5 page)
  foreach(key parallelism.tp log_normal dispatch_tokens serving.whole scheduler global_batch)
    if(NOT page MATCHES "${key}")
      message(FATAL_ERROR "moesim-scenario(5) does not know ${key}")
    endif()
  endforeach()
endif()

# Its own configurations, not the source tree's.
run(${moesim} doctor)
if(NOT output MATCHES "\n  folder +${WORK}/prefix/share/moesim/configs\n")
  message(FATAL_ERROR "the configurations are found elsewhere: ${output}")
endif()

# Its own template of a page.
run(${moesim} run mixtral-8x7b-decode-h100 --set step.count=1 --set network=bound --html page.html)
file(STRINGS ${WORK}/elsewhere/page.html marks REGEX "<!-- moesim report template, sources [0-9a-f]+ -->")
if(NOT marks)
  message(FATAL_ERROR "the installed program writes no page")
endif()

# A scenario that ships: as the documents write it, and by its name.
get_filename_component(name ${scenario} NAME_WE)
foreach(called ${scenario} ${name})
  run(${moesim} run ${called})
  if(NOT output MATCHES "^Mixtral 8x7B decode on 8 H100\n  [^\n]+\n\n  step +[0-9.]+ ms ")
    message(FATAL_ERROR "moesim run ${called} printed: ${output}")
  endif()
endforeach()
