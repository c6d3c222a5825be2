# The pages of section 5, of files that people write and read: sections of the documents, as they stand, by lowdown.
#   cmake -DLOWDOWN=lowdown -DROOT=SOURCES -DVERSION=0.1.0 -DINTO=FOLDER -P manual_pages.cmake
cmake_minimum_required(VERSION 3.25)

# manual_page(NAME ABOUT FILE HEADING [HEADING…] [FILE HEADING…]): a document, and headings of it ("## A scenario").
function(manual_page name about)
  set(text "")
  foreach(part IN LISTS ARGN)
    if(part MATCHES "\\.md$")
      file(READ ${ROOT}/${part} document)
      string(PREPEND document "\n")
      string(APPEND document "\n## ")
      continue()
    endif()
    string(FIND "${document}" "\n## ${part}\n" start)
    if(start EQUAL -1)
      message(FATAL_ERROR "${name}(5): no heading \"## ${part}\" in the document before it")
    endif()
    string(SUBSTRING "${document}" ${start} -1 rest)
    string(SUBSTRING "${rest}" 1 -1 rest)
    string(FIND "${rest}" "\n## " end)
    string(SUBSTRING "${rest}" 0 ${end} section)
    string(APPEND text "\n${section}\n")
  endforeach()
  # A page's sections are of the first degree.
  string(REPLACE "\n## " "\n# " text "${text}")
  string(REPLACE "\n### " "\n## " text "${text}")
  file(WRITE ${INTO}/${name}.md "${text}")
  execute_process(COMMAND ${LOWDOWN} -Tman --nroff-nolinks --parse-no-intraemph ${INTO}/${name}.md
    OUTPUT_VARIABLE body RESULT_VARIABLE result)
  file(REMOVE ${INTO}/${name}.md)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${name}(5): lowdown ended with ${result}")
  endif()
  string(TOUPPER ${name} title)
  # Narrow columns are not stretched to their edges.
  file(WRITE ${INTO}/${name}.5 "'\\\" t
.TH ${title} 5 \"\" \"moesim ${VERSION}\" \"File Formats\"
.SH NAME
${name} \\- ${about}
.na
${body}
.SH SEE ALSO
.BR moesim (1)
")
endfunction()

manual_page(moesim-scenario "what is simulated: a model, a cluster, a layout, a load"
  workloads/README.md "A scenario" "An engine's file" "A GPU that is lost" "A question of memory"
  workloads/serving/README.md Keys
  workloads/training/README.md "A scenario" Schedules)
manual_page(moesim-plan "the question and the answer of moesim plan"
  docs/guide/capacity.md "Line by line" "Other questions" "A run of training" "What a code means"
  tools/study/plan/README.md "What a plan's JSON names")
manual_page(moesim-sweep "a scenario at many points"
  docs/guide/what_if.md "Many questions at once" "On a cluster"
  tools/study/README.md "Order and ids")
manual_page(moesim-store "the SQLite file of a sweep"
  tools/study/README.md "The store")
