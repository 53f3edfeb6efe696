# ballast_folder(NAME [SUBDIRS dir...] [LINK target...]): a static library bl_<NAME> of every .c file
# in the folder (and the named sub-folders), with our warnings on.
set(BALLAST_WARNINGS -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
                     -Wpointer-arith -Wno-unused-parameter)
if(BALLAST_WERROR)
  list(APPEND BALLAST_WARNINGS -Werror)
endif()

function(ballast_options target)
  target_compile_options(${target} PRIVATE ${BALLAST_WARNINGS} -fno-math-errno -fno-trapping-math
                                           -ffp-contract=off)
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE BALLAST_VERSION="${PROJECT_VERSION}")
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>)
  if(BALLAST_FUZZ) # coverage counters and sanitizers for libFuzzer, see tests/fuzz
    target_compile_options(${target} PUBLIC -fsanitize=fuzzer-no-link,address,undefined
                                            -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  endif()
  if(BALLAST_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${BALLAST_SANITIZE} -fno-omit-frame-pointer)
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
