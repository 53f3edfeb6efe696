# ballast_embed(TARGET NAME FILE [JOIN]): compiles a text file into TARGET as `const char NAME[]`. Block comments, and the
# line breaks around them, stay out. JOIN: so do all line breaks with the indentation after them, as CSS allows.
#
# Run as a script (cmake -DNAME=.. -DIN=.. -DOUT=.. -DJOIN=.. -P), it writes the C file.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${IN} text)
  string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/\n?" "" text "${text}")
  if(JOIN)
    string(REGEX REPLACE "\n +" "\n" text "${text}")
  endif()
  string(REGEX REPLACE "\n$" "" text "${text}")
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  if(JOIN)
    string(REPLACE "\n" "\"\n    \"" text "${text}")
  else()
    string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
  endif()
  file(WRITE ${OUT} "extern const char ${NAME}[];\nconst char ${NAME}[] =\n    \"${text}\";\n")
  return()
endif()

set(BALLAST_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(ballast_embed target name file)
  cmake_parse_arguments(E "JOIN" "" "" ${ARGN})
  set(in ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DIN=${in} -DOUT=${out} -DJOIN=${E_JOIN} -P ${BALLAST_EMBED_SCRIPT}
    DEPENDS ${in} ${BALLAST_EMBED_SCRIPT} VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
