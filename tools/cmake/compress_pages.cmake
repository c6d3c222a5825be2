# Before a package is made of what was staged: manual pages and changelogs are compressed, as Debian
# wants them.
file(GLOB_RECURSE pages ${CPACK_TEMPORARY_DIRECTORY}/*.1 ${CPACK_TEMPORARY_DIRECTORY}/*.5 ${CPACK_TEMPORARY_DIRECTORY}/changelog)
foreach(page IN LISTS pages)
  execute_process(COMMAND gzip -9nf ${page} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
