cmake_minimum_required(VERSION 3.25)
# Builds the page anew from its sources, with the packages that package-lock.json names, and compares bytes. Skips, visibly,
# where there is no npm or its registry does not answer.
find_program(npm npm)
find_program(node node)
if(NOT npm OR NOT node)
  message("SKIPPED: node and npm are not found")
  return()
endif()
file(REMOVE_RECURSE ${WORK})
file(COPY ${SOURCE}/tools/report/web DESTINATION ${WORK} PATTERN node_modules EXCLUDE)
execute_process(COMMAND ${npm} ci --ignore-scripts --no-audit --no-fund --fetch-timeout=20000 --fetch-retries=0
  WORKING_DIRECTORY ${WORK}/web TIMEOUT 200 RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  if(output MATCHES "npm ERR! code E(NOTFOUND|AI_AGAIN|CONN|TIMEDOUT|NETUNREACH)|error code (ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH)"
     OR result MATCHES "timeout")
    message("SKIPPED: npm's registry does not answer")
    return()
  endif()
  message(FATAL_ERROR "npm ci: ${result}\n${output}")
endif()
execute_process(COMMAND ${node} node_modules/typescript/bin/tsc --noEmit WORKING_DIRECTORY ${WORK}/web COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${node} build.mjs ${WORK}/report.html WORKING_DIRECTORY ${WORK}/web COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} -E compare_files ${WORK}/report.html ${SOURCE}/tools/report/template/report.html
  RESULT_VARIABLE different)
if(different)
  message(FATAL_ERROR "tools/report/template/report.html is not what its sources build: npm run build, in tools/report/web")
endif()
