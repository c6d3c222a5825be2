# The Debian package: made of what is built, judged by lintian where there is one, unpacked into an
# empty root, and the README's job run from there.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/readme.cmake)

find_program(dpkg_deb dpkg-deb)
find_program(shlibdeps dpkg-shlibdeps)
if(NOT dpkg_deb OR NOT shlibdeps)
  message(STATUS "SKIPPED: no dpkg-deb and dpkg-shlibdeps (Debian's dpkg-dev) to make a package with")
  return()
endif()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK}/elsewhere ${WORK}/unpacked)
run(${CPACK} --config ${BUILD}/CPackConfig.cmake -D CPACK_COMPONENTS_ALL=cli -B ${WORK}/packages)
run(dpkg --print-architecture)
string(STRIP "${output}" architecture)
set(package ${WORK}/packages/moesim_${VERSION}_${architecture}.deb)

# What it runs with: found by what it is linked to, and HDF5, which it opens.
run(${dpkg_deb} -f ${package} Depends)
foreach(library libc6 libyaml-cpp libsqlite3-0 libhdf5-103-1)
  if(NOT output MATCHES "${library}")
    message(FATAL_ERROR "the package does not depend on ${library}: ${output}")
  endif()
endforeach()

find_program(lintian lintian)
if(lintian)
  # Whose address the packager's is (MOESIM_MAINTAINER) is not known here.
  execute_process(COMMAND ${lintian} --fail-on error --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog
    ${package} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_QUIET)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "lintian: ${output}")
  endif()
endif()

run(${dpkg_deb} -x ${package} ${WORK}/unpacked)
foreach(file usr/bin/moesim usr/share/man/man1/moesim.1.gz usr/share/doc/moesim/copyright
        usr/share/bash-completion/completions/moesim usr/share/moesim/configs/devices/h100.yaml)
  if(NOT EXISTS ${WORK}/unpacked/${file})
    message(FATAL_ERROR "the package has no ${file}")
  endif()
endforeach()
read_first_command(${SOURCE}/README.md)
run(${WORK}/unpacked/usr/bin/moesim doctor)
if(NOT output MATCHES "\n  folder +${WORK}/unpacked/usr/share/moesim/configs\n")
  message(FATAL_ERROR "the configurations are found elsewhere: ${output}")
endif()
run(${WORK}/unpacked/usr/bin/moesim run ${scenario})
if(NOT output MATCHES "^Mixtral 8x7B decode on 8 H100\n")
  message(FATAL_ERROR "moesim run ${scenario} printed: ${output}")
endif()
