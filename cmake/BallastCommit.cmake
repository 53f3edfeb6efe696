# The commit that provenance.json and `ballast doctor` name, stamped when the program is built: one tiny source file
# that is written anew only when the commit changes, so nothing else is compiled again.
#
# Included by CMake, it adds the file to a target; run as a script (cmake -DSOURCE=DIR -DOUT=FILE -P), it writes it.
if(CMAKE_SCRIPT_MODE_FILE)
  set(commit "")
  if(EXISTS ${SOURCE}/.git) # else git would name the commit of a repository around an unpacked archive
    execute_process(COMMAND git --no-optional-locks -C ${SOURCE} describe --always --dirty
                    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  if(NOT commit)
    set(commit "unknown")
  endif()
  set(text "#include \"train/version.h\"\n\nconst char bl_commit[] = \"${commit}\";\n")
  set(old "")
  if(EXISTS ${OUT})
    file(READ ${OUT} old)
  endif()
  if(NOT text STREQUAL old)
    file(WRITE ${OUT} "${text}")
  endif()
  return()
endif()

set(BALLAST_COMMIT_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(ballast_stamp_commit target)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/commit.c)
  add_custom_target(${target}_commit
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUT=${out} -P ${BALLAST_COMMIT_SCRIPT}
    BYPRODUCTS ${out} VERBATIM)
  target_sources(${target} PRIVATE ${out})
  add_dependencies(${target} ${target}_commit)
endfunction()
