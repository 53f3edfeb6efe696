# The programs of a check on a GPU, shared by scripts/bundle and scripts/gpu-check; sourced, not run.

# Never packed: the machine's own loader and C library, and the driver.
HOST_LIBRARIES='(linux-vdso|ld-linux|lib(c|m|dl|rt|pthread|resolv|util|cuda)\.so|libnvidia-)'

GPU_BENCHES='bench_detector bench_classifier bench_network bench_kernels bench_augment bench_ceilings'

# build_gpu_programs [DIR OPTION...]: brings build/release up to date, or a folder of its own with CMake's options.
build_gpu_programs() {
    local dir=${1:-build/release} log
    log=$(mktemp)
    [ $# -eq 0 ] || shift
    # shellcheck disable=SC2086
    if { [ -f "$dir/build.ninja" ] && [ $# -eq 0 ]; } || cmake -G Ninja -S . -B "$dir" -DCMAKE_BUILD_TYPE=Release "$@"; then
        cmake --build "$dir" --target ballast gpu_tests $GPU_BENCHES
    fi >"$log" 2>&1 || { cat "$log" >&2 && die "not built; the CUDA programs need the toolkit (docs/cuda.md)"; }
    rm -f "$log"
}

# find_program BUILD NAME: its path; fails when it is not there.
find_program() {
    local path
    path=$(find "$1" -name "$2" -type f -perm -u+x -print -quit)
    [ -n "$path" ] && printf '%s\n' "$path"
}

# The parity tests of a build or a bundle, by name. A build's are those that the sources name, so that one which was
# not built is missed.
gpu_tests() {
    if [ -d "$1/libexec" ]; then
        (cd "$1/libexec" && printf '%s\n' gpu_cuda_*)
    else
        (cd "$ROOT/tests/cuda" && printf '%s\n' test_cuda_*.c | sed 's/^test/gpu/; s/\.c$//')
    fi
}

gpu_programs() {
    printf '%s\n' ballast $GPU_BENCHES
    gpu_tests "$1"
}
