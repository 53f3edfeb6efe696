# CUDA: found and switched on here, and nowhere else. Sets BALLAST_HAVE_CUDA, or BALLAST_CUDA_ABSENT to the reason
# why not, which the program repeats when asked for a CUDA device.
#
# Needed to build: nvcc with the runtime library, and the headers of cuBLAS and cuDNN 9. Those two are loaded when a
# device is opened (kernels/cuda/libraries.c), so a program built with CUDA runs where they are absent.
# Layouts: the toolkit's own (/usr/local/cuda), the vendor's Debian packages, and Python wheels
# (site-packages/nvidia/*), named by BALLAST_CUDA_ROOT or found through VIRTUAL_ENV.
set(BALLAST_CUDA AUTO CACHE STRING "CUDA backend: AUTO (where a toolkit is found), ON, OFF")
set_property(CACHE BALLAST_CUDA PROPERTY STRINGS AUTO ON OFF)
set(BALLAST_CUDA_ROOT "" CACHE STRING "Folders to search for the CUDA toolkit, cuBLAS and cuDNN, separated by ;")
set(BALLAST_HAVE_CUDA FALSE)
set(BALLAST_CUDA_ABSENT "")

set(BALLAST_CUDNN_NEEDED 9.8) # describes devices: graphs are planned without one

# The version that the headers in `dir` are of, "0" where they do not say.
function(ballast_cudnn_version dir out)
  set(version 0)
  if(EXISTS "${dir}/cudnn_version.h")
    file(STRINGS "${dir}/cudnn_version.h" lines REGEX "#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) +[0-9]+")
    string(REGEX REPLACE ".*CUDNN_MAJOR +([0-9]+).*CUDNN_MINOR +([0-9]+).*CUDNN_PATCHLEVEL +([0-9]+).*" "\\1.\\2.\\3"
           version "${lines}")
  endif()
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

macro(ballast_find_cuda)
  file(GLOB _wheels LIST_DIRECTORIES true "$ENV{VIRTUAL_ENV}/lib/python3*/site-packages/nvidia/*")
  set(_roots ${BALLAST_CUDA_ROOT} $ENV{CUDA_HOME} $ENV{CUDA_PATH} ${_wheels} /usr/local/cuda
             /usr/lib/nvidia-cuda-toolkit)
  set(_include_suffixes include targets/x86_64-linux/include targets/sbsa-linux/include)
  set(_library_suffixes lib64 lib targets/x86_64-linux/lib targets/sbsa-linux/lib)

  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    find_program(BALLAST_NVCC nvcc HINTS ${_roots} PATH_SUFFIXES bin)
    if(BALLAST_NVCC)
      set(ENV{CUDACXX} ${BALLAST_NVCC})
    endif()
  endif()
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    # Machine code for both, and PTX of the last for whatever comes after it.
    set(CMAKE_CUDA_ARCHITECTURES "80-real;90" CACHE STRING "CUDA architectures")
  endif()
  find_path(BALLAST_CUDART_INCLUDE cuda_runtime_api.h HINTS ${_roots} PATH_SUFFIXES ${_include_suffixes})
  find_path(BALLAST_CUBLAS_INCLUDE cublas_v2.h HINTS ${_roots} PATH_SUFFIXES ${_include_suffixes})
  find_path(BALLAST_CUDNN_INCLUDE cudnn_backend.h HINTS ${_roots} PATH_SUFFIXES ${_include_suffixes})
  # The static runtime asks for nothing but a driver; some layouts have only the shared one.
  find_library(BALLAST_CUDART_LIBRARY NAMES cudart_static libcudart.so.13 libcudart.so.12 cudart
               HINTS ${_roots} PATH_SUFFIXES ${_library_suffixes})
  # nvcc looks for the runtime library in its own lib64, which wheels do not have.
  set(_nvcc "${CMAKE_CUDA_COMPILER}")
  if(NOT _nvcc)
    set(_nvcc "$ENV{CUDACXX}")
  endif()
  get_filename_component(_bin "${_nvcc}" DIRECTORY)
  if(BALLAST_CUDART_LIBRARY AND NOT EXISTS ${_bin}/../lib64 AND NOT EXISTS ${_bin}/../targets)
    get_filename_component(_lib ${BALLAST_CUDART_LIBRARY} DIRECTORY)
    set(ENV{CUDAFLAGS} "$ENV{CUDAFLAGS} -L${_lib}")
  endif()
  include(CheckLanguage)
  check_language(CUDA)

  ballast_cudnn_version("${BALLAST_CUDNN_INCLUDE}" BALLAST_CUDNN_VERSION)
  if(NOT CMAKE_CUDA_COMPILER)
    set(BALLAST_CUDA_ABSENT "no CUDA compiler was found when it was built")
  elseif(NOT BALLAST_CUDART_INCLUDE OR NOT BALLAST_CUDART_LIBRARY)
    set(BALLAST_CUDA_ABSENT "the CUDA runtime's header or library was not found when it was built")
  elseif(NOT BALLAST_CUBLAS_INCLUDE)
    set(BALLAST_CUDA_ABSENT "cuBLAS was not found when it was built")
  elseif(NOT BALLAST_CUDNN_INCLUDE)
    set(BALLAST_CUDA_ABSENT "cuDNN was not found when it was built")
  elseif(BALLAST_CUDNN_VERSION VERSION_LESS BALLAST_CUDNN_NEEDED)
    set(BALLAST_CUDA_ABSENT "cuDNN ${BALLAST_CUDNN_NEEDED} or newer is needed, and ${BALLAST_CUDNN_INCLUDE} had ${BALLAST_CUDNN_VERSION} when it was built")
  else()
    set(BALLAST_HAVE_CUDA TRUE)
  endif()
endmacro()

if(BALLAST_CUDA STREQUAL "OFF")
  set(BALLAST_CUDA_ABSENT "it was switched off when it was built")
else()
  ballast_find_cuda()
endif()

if(BALLAST_HAVE_CUDA)
  if(CMAKE_C_COMPILER_LAUNCHER AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
  endif()
  enable_language(CUDA)
  message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION} for ${CMAKE_CUDA_ARCHITECTURES}, cuBLAS and cuDNN ${BALLAST_CUDNN_VERSION} headers: on")
  # Where the two libraries stood, for machines whose loader does not know them by itself.
  set(BALLAST_CUDA_LIBRARY_DIRS "")
  foreach(dir ${BALLAST_CUBLAS_INCLUDE} ${BALLAST_CUDNN_INCLUDE})
    foreach(lib lib64 lib)
      get_filename_component(_dir ${dir}/../${lib} ABSOLUTE)
      if(IS_DIRECTORY ${_dir})
        list(APPEND BALLAST_CUDA_LIBRARY_DIRS ${_dir})
        break()
      endif()
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES BALLAST_CUDA_LIBRARY_DIRS)
elseif(BALLAST_CUDA STREQUAL "ON")
  message(FATAL_ERROR "BALLAST_CUDA is ON, but ${BALLAST_CUDA_ABSENT}; see docs/cuda.md")
else()
  message(STATUS "CUDA: off, ${BALLAST_CUDA_ABSENT}")
endif()
