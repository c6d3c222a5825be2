# How a library, a program and a test of this project are declared.
include(GNUInstallDirs)

set(MOESIM_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wshadow)

# Flags that every target of the project compiles and links with.
function(moesim_configure_target target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  # Doubles are equal across compilers only without fused multiply-adds.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${MOESIM_WARNINGS} -ffp-contract=off>)
  # g++ 12 sees overlaps in "a" + std::string that are not there (GCC bug 105651).
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>)
  if(MOESIM_WERROR)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
  endif()
  if(MOESIM_SANITIZE)
    target_compile_options(${target} PRIVATE
      $<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer>)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  endif()
  if(MOESIM_FUZZ)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=fuzzer-no-link>)
  endif()
endfunction()

# For a target whose own code runs once, and calls what does the work: it asks and prints, or it is a
# test. Of the time to compile such code at -O3 a quarter is spent on making it fast.
function(moesim_optimise_little target)
  target_compile_options(${target} PRIVATE $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CONFIG:Release>>:-O1>)
endfunction()

# moesim_add_library(hardware SOURCES cluster.cpp … PUBLIC moesim::sim PRIVATE …)
# makes the static library moesim_hardware, known as moesim::hardware. A subfolder adds its files
# with target_sources(moesim_hardware PRIVATE …).
function(moesim_add_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  set(target moesim_${name})
  add_library(${target} STATIC ${arg_SOURCES})
  add_library(moesim::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/moesim>)
  target_link_libraries(${target} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  moesim_configure_target(${target})
  set_property(GLOBAL APPEND PROPERTY MOESIM_LIBRARIES ${target})
endfunction()

# Seconds that a test may take: the sanitizers, without optimisation, are slow.
set(MOESIM_TEST_TIMEOUT 600)
if(MOESIM_SANITIZE)
  set(MOESIM_TEST_TIMEOUT 1500)
endif()

# moesim_add_tests(sim LABEL unit SOURCES test_units.cpp … LINK moesim::sim)
# builds one doctest program, tests_<name>_<label>, and registers one CTest a source file, named by
# where it lies: workloads/step/attention for tests/workloads/step/test_attention.cpp. A test that
# ran no case fails.
function(moesim_add_tests name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT" "SOURCES;LINK" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT ${MOESIM_TEST_TIMEOUT})
  endif()
  set(target tests_${name}_${arg_LABEL})
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE moesim_test_support ${arg_LINK})
  moesim_configure_target(${target})
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR}/tests ${CMAKE_CURRENT_SOURCE_DIR})
  moesim_optimise_little(${target})
  foreach(source IN LISTS arg_SOURCES)
    get_filename_component(stem ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "" stem ${stem})
    add_test(NAME ${folder}/${stem} COMMAND ${target} "--source-file=*/${source}"
             WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${folder}/${stem} PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT}
      ENVIRONMENT MOESIM_TRACE_CACHE=off
      FAIL_REGULAR_EXPRESSION "test cases: +0 " SKIP_REGULAR_EXPRESSION "SKIPPED: ")
  endforeach()
endfunction()
