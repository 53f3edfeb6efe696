# ballast_folder(NAME [SUBDIRS dir...] [LINK target...]): a static library bl_<NAME> of every .c file
# in the folder (and the named sub-folders), with our warnings on.
set(BALLAST_WARNINGS -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
                     -Wpointer-arith -Wno-unused-parameter)
if(BALLAST_WERROR)
  list(APPEND BALLAST_WARNINGS -Werror)
endif()

# CUDA and C++ files (the backend and its emulation) get what their compilers know of these.
function(ballast_options target)
  set(no_cuda $<NOT:$<COMPILE_LANGUAGE:CUDA>>)
  target_compile_options(${target} PRIVATE
    "$<$<COMPILE_LANGUAGE:C>:${BALLAST_WARNINGS}>"
    "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wno-unused-parameter>"
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${BALLAST_WERROR}>>:-Werror>
    "$<${no_cuda}:-fno-math-errno;-fno-trapping-math;-ffp-contract=off>"
    # Products and sums round one by one, as on the CPU: the kernels wait for memory, not for arithmetic.
    "$<$<COMPILE_LANGUAGE:CUDA>:-fmad=false;-Xcompiler=-Wall,-Wextra,-Wno-unused-parameter>"
    "$<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${BALLAST_WERROR}>>:-Werror=all-warnings;-Xcompiler=-Werror>")
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE BALLAST_VERSION="${PROJECT_VERSION}")
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>)
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C) # static libraries may hold CUDA objects
  if(BALLAST_FUZZ) # coverage counters and sanitizers for libFuzzer, see tests/fuzz
    target_compile_options(${target} PUBLIC
      "$<${no_cuda}:-fsanitize=fuzzer-no-link,address,undefined;-fno-sanitize-recover=undefined>"
      $<${no_cuda}:-fno-omit-frame-pointer>)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  endif()
  if(BALLAST_SANITIZE)
    target_compile_options(${target} PUBLIC
      "$<${no_cuda}:-fsanitize=${BALLAST_SANITIZE};-fno-omit-frame-pointer>")
    target_link_options(${target} PUBLIC -fsanitize=${BALLAST_SANITIZE})
  endif()
endfunction()

function(ballast_folder name)
  cmake_parse_arguments(F "" "" "SUBDIRS;LINK" ${ARGN})
  set(patterns *.c)
  foreach(d ${F_SUBDIRS})
    list(APPEND patterns ${d}/*.c)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  if(NOT sources)
    # A folder without sources still is a library, so that it takes properties like any other.
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/bl_${name}_empty.c)
    file(WRITE ${sources} "typedef int bl_${name}_is_empty;\n")
  endif()
  add_library(bl_${name} STATIC ${sources})
  ballast_options(bl_${name})
  target_link_libraries(bl_${name} PUBLIC ${F_LINK})
endfunction()
