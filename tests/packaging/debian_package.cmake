# The Debian packages: made of what is built, judged by lintian where there is one, installed into an
# empty root, the README's job run from there, and removed.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/readme.cmake)

find_program(dpkg_deb dpkg-deb)
find_program(shlibdeps dpkg-shlibdeps)
find_program(file_kind file)
if(NOT dpkg_deb OR NOT shlibdeps OR NOT file_kind)
  message(STATUS "SKIPPED: no dpkg-deb, dpkg-shlibdeps and file (Debian's dpkg-dev and file) to make a package with")
  return()
endif()

file(REMOVE_RECURSE ${WORK})
set(root ${WORK}/root)
file(MAKE_DIRECTORY ${WORK}/elsewhere ${root}/var/lib/dpkg/info ${root}/var/lib/dpkg/updates ${root}/var/lib/dpkg/triggers)
file(WRITE ${root}/var/lib/dpkg/status "")
set(components cli)
set(names moesim)
if(MPI)
  list(APPEND components mpi)
  list(APPEND names moesim-mpi)
endif()
if(PYTHON)
  list(APPEND components python)
  list(APPEND names python3-moesim)
endif()
# (run() would take a list for many words.)
execute_process(COMMAND ${CPACK} --config ${BUILD}/CPackConfig.cmake -D "CPACK_COMPONENTS_ALL=${components}"
  -B ${WORK}/packages RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "cpack: ${output}")
endif()
run(dpkg --print-architecture)
string(STRIP "${output}" architecture)
set(packages "")
foreach(name IN LISTS names)
  list(APPEND packages ${WORK}/packages/${name}_${VERSION}_${architecture}.deb)
endforeach()
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
    ${packages} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_QUIET)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "lintian: ${output}")
  endif()
endif()

# What each goes with.
foreach(name IN LISTS names)
  if(NOT name STREQUAL "moesim")
    run(${dpkg_deb} -f ${WORK}/packages/${name}_${VERSION}_${architecture}.deb Depends)
    if(NOT output MATCHES "moesim \\(= ${VERSION}\\), libhdf5-103-1")
      message(FATAL_ERROR "${name} does not depend on moesim of its version, and HDF5: ${output}")
    endif()
  endif()
endforeach()

# Into an empty root, which lacks all that they depend on.
set(dpkg dpkg --root=${root} --force-depends --force-not-root --force-script-chrootless)
run(${dpkg} --install ${packages})
foreach(file usr/bin/moesim usr/share/man/man1/moesim.1.gz usr/share/man/man1/moesim-validate-serving.1.gz usr/share/doc/moesim/copyright
        usr/share/bash-completion/completions/moesim usr/share/moesim/configs/devices/h100.yaml)
  if(NOT EXISTS ${root}/${file})
    message(FATAL_ERROR "the package has no ${file}")
  endif()
endforeach()
read_first_command(${SOURCE}/README.md)
run(${root}/usr/bin/moesim doctor)
if(NOT output MATCHES "\n  folder +${root}/usr/share/moesim/configs\n")
  message(FATAL_ERROR "the configurations are found elsewhere: ${output}")
endif()
run(${root}/usr/bin/moesim run ${scenario})
if(NOT output MATCHES "^Mixtral 8x7B decode on 8 H100\n")
  message(FATAL_ERROR "moesim run ${scenario} printed: ${output}")
endif()

if(MPI)
  run(${root}/usr/bin/moesim-mpi --version)
  if(NOT output STREQUAL "moesim-mpi ${VERSION}\n" OR NOT EXISTS ${root}/usr/share/man/man1/moesim-mpi.1.gz)
    message(FATAL_ERROR "moesim-mpi --version printed: ${output}")
  endif()
endif()
if(PYTHON)
  # The installed module finds what is installed, not the source tree.
  file(WRITE ${WORK}/elsewhere/job.py "import moesim\n"
    "report = moesim.run('${scenario}')\n"
    "print(moesim.__file__, report['manifest']['inputs'][0]['path'])\n")
  run(${CMAKE_COMMAND} -E env PYTHONPATH=${root}/usr/lib/python3/dist-packages HOME=${WORK} ${PYTHON} job.py)
  if(NOT output MATCHES "^${root}/usr/lib/python3/dist-packages/moesim/__init__.py ${root}/usr/share/moesim/configs/[^ ]+\n$")
    message(FATAL_ERROR "import moesim printed: ${output}")
  endif()
endif()

# Removed, nothing is left of them.
run(${dpkg} --remove ${names})
file(GLOB_RECURSE left ${root}/usr/*)
list(FILTER left EXCLUDE REGEX "/__pycache__/")  # Python's own
if(left)
  message(FATAL_ERROR "left behind: ${left}")
endif()
