# The form of the code: a test for clang-format, a target for clang-tidy (minutes; not among the tests).
#   ctest --preset ci -R architecture/format
#   cmake --build --preset ci --target format      formats the tree
#   cmake --build --preset ci --target tidy
find_program(MOESIM_CLANG_FORMAT clang-format-14)
find_program(MOESIM_RUN_CLANG_TIDY run-clang-tidy-22)
mark_as_advanced(MOESIM_CLANG_FORMAT MOESIM_RUN_CLANG_TIDY)

set(script ${PROJECT_SOURCE_DIR}/tests/architecture/format.cmake)
if(MOESIM_TESTS)
  add_test(NAME architecture/format
    COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DCLANG_FORMAT=${MOESIM_CLANG_FORMAT} -P ${script})
  set_tests_properties(architecture/format PROPERTIES LABELS architecture
    SKIP_REGULAR_EXPRESSION "SKIPPED: ")
endif()
add_custom_target(format
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DCLANG_FORMAT=${MOESIM_CLANG_FORMAT} -DFIX=ON -P ${script}
  VERBATIM)

if(MOESIM_RUN_CLANG_TIDY)
  add_custom_target(tidy
    COMMAND ${MOESIM_RUN_CLANG_TIDY} -quiet -p ${PROJECT_BINARY_DIR}
      "${PROJECT_SOURCE_DIR}/(sim|hardware|workloads|validation|tools|tests)/.*\\.cpp$"
    USES_TERMINAL VERBATIM)
else()
  add_custom_target(tidy
    COMMAND ${CMAKE_COMMAND} -E echo "run-clang-tidy-22 is not found; Debian's package is clang-tidy-22"
    COMMAND ${CMAKE_COMMAND} -E false VERBATIM)
endif()
