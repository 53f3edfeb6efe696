# Shared by the scripts; sourced, not run. Sets ROOT and goes there.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT"

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# Configures and builds a preset (default: release).
build_ballast() {
    local preset=${1:-release}
    if [ ! -f "build/$preset/build.ninja" ]; then
        cmake --preset "$preset" || return
    fi
    cmake --build --preset "$preset"
}
