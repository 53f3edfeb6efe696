# Installation: the program, one static library made of the folders' libraries, the headers as
# <prefix>/include/ballast/<folder>/*.h, and ballast.pc.
#
# Headers include each other by folder ("core/status.h"), so users compile with the include path that
# pkg-config reports (.../include/ballast) and write the same paths.
set(BALLAST_FOLDERS core kernels balance interop nn datasets detector eval report ssl train)

add_library(ballast_static STATIC)
set_target_properties(ballast_static PROPERTIES OUTPUT_NAME ballast LINKER_LANGUAGE C)
foreach(folder ${BALLAST_FOLDERS})
  # The objects come through the folders' static libraries, so nothing is compiled twice.
  target_sources(ballast_static PRIVATE $<TARGET_OBJECTS:bl_${folder}>)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/${folder}/
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ballast/${folder}
          FILES_MATCHING PATTERN "*.h" PATTERN cpu EXCLUDE PATTERN ref EXCLUDE PATTERN cuda EXCLUDE)
endforeach()
target_sources(ballast_static PRIVATE $<TARGET_OBJECTS:bl_cuda>)
if(BALLAST_HAVE_CUDA)
  set(BALLAST_CUDA_LIBS "${BALLAST_CUDART_LIBRARY} -lstdc++ -lrt -ldl ")
endif()
install(FILES ${CMAKE_SOURCE_DIR}/include/ballast/plugin.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ballast)
install(TARGETS ballast_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

# Relative, so that "cmake --install --prefix elsewhere" and moved trees work.
file(RELATIVE_PATH BALLAST_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${CMAKE_SOURCE_DIR}/cmake/ballast.pc.in ${CMAKE_BINARY_DIR}/ballast.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/ballast.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE ${CMAKE_SOURCE_DIR}/README.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
