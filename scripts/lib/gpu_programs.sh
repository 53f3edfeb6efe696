# The programs of a check on a GPU, shared by scripts/bundle and scripts/gpu-check; sourced, not run.

# Never packed: the machine's own loader and C library, and the driver.
HOST_LIBRARIES='(linux-vdso|ld-linux|lib(c|m|dl|rt|pthread|resolv|util|cuda)\.so|libnvidia-)'

GPU_BENCHES='bench_detector bench_classifier bench_network bench_kernels bench_augment bench_ceilings'

# Brings build/release up to date.
build_gpu_programs() {
    # shellcheck disable=SC2086
    build_ballast release ballast gpu_tests $GPU_BENCHES >/dev/null ||
        build_ballast release ballast gpu_tests $GPU_BENCHES ||
        die "not built; the CUDA programs need the toolkit (docs/cuda.md)"
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
