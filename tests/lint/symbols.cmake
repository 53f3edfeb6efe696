# Every function and object with external linkage is called bl_*: a program that links the libraries keeps all other names.
#
#   cmake -DNM=<nm> "-DLIBRARIES=<a.a;b.a>" -P tests/lint/symbols.cmake
cmake_minimum_required(VERSION 3.22)
set(total 0)
set(bad "")
foreach(library IN LISTS LIBRARIES)
  execute_process(COMMAND ${NM} -g --defined-only ${library} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL " [A-Z] [A-Za-z_][A-Za-z0-9_.$]*" symbols "${text}")
  foreach(symbol IN LISTS symbols)
    math(EXPR total "${total} + 1")
    # What compilers add begins with an underscore.
    if(NOT symbol MATCHES "^ [A-Z] (bl_|_)")
      string(APPEND bad "\n  ${library}:${symbol}")
    endif()
  endforeach()
endforeach()
if(bad)
  message(FATAL_ERROR "external names without bl_ (make them static, or prefix them):${bad}")
endif()
if(total LESS 500)
  message(FATAL_ERROR "only ${total} names read: is this the right list of libraries?")
endif()
message(STATUS "${total} names")
