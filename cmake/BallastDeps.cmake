# All external libraries, as imported targets under the Ballast:: name space. scripts/setup installs
# the Debian packages; docs/dependencies.md says what each one is for.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(ZLIB REQUIRED)
find_package(EXPAT REQUIRED)
find_package(JPEG REQUIRED)
pkg_check_modules(JSONC REQUIRED IMPORTED_TARGET json-c)
pkg_check_modules(SPNG REQUIRED IMPORTED_TARGET spng)
pkg_check_modules(LZMA REQUIRED IMPORTED_TARGET liblzma)
pkg_check_modules(MATIO REQUIRED IMPORTED_TARGET matio)

find_path(LIBMD_INCLUDE_DIR sha2.h REQUIRED)
find_library(LIBMD_LIBRARY md REQUIRED)

find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
file(READ ${DNNL_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h _dnnl_version)
string(REGEX MATCH "DNNL_VERSION_MAJOR +([0-9]+)" _ "${_dnnl_version}")
set(DNNL_MAJOR ${CMAKE_MATCH_1})
string(REGEX MATCH "DNNL_VERSION_MINOR +([0-9]+)" _ "${_dnnl_version}")
set(DNNL_MINOR ${CMAKE_MATCH_1})
message(STATUS "oneDNN ${DNNL_MAJOR}.${DNNL_MINOR}")
