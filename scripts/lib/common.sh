# Shared by the scripts; sourced, not run. Sets ROOT and goes there.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT"

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# Configures and builds a preset (default: release); further arguments are targets (default: everything).
build_ballast() {
    local preset=${1:-release} target=()
    shift || true
    [ $# -eq 0 ] || target=(--target "$@")
    if [ ! -f "build/$preset/build.ninja" ]; then
        cmake --preset "$preset" || return
    fi
    cmake --build --preset "$preset" ${target[@]+"${target[@]}"}
}

# Prints the Python environment of the benchmarks: BALLAST_BENCH_VENV, or build/bench-venv, made when it is
# missing.
bench_venv() {
    local venv=${BALLAST_BENCH_VENV:-build/bench-venv}
    if [ ! -x "$venv/bin/python" ]; then
        [ -z "${BALLAST_BENCH_VENV:-}" ] || die "$venv has no bin/python"
        python3 -m venv "$venv" || die "cannot make $venv; install python3-venv, or set BALLAST_BENCH_VENV"
        "$venv/bin/pip" install --quiet torch torchvision numpy pillow || {
            rm -rf "$venv"
            die "pip could not install torch, torchvision, numpy and pillow"
        }
    fi
    printf '%s\n' "$venv"
}

# Progress: set STEPS, then begin "text" once a step.
STEP=0
begin() {
    STEP=$((STEP + 1))
    say ''
    say "[$STEP/$STEPS] $1  ($((SECONDS / 60)):$(printf '%02d' $((SECONDS % 60))) since start)"
}

# The output folder of a script: remembers what it was made with in $1/settings.txt, so that a rerun
# continues the same thing or says why it cannot.  open_folder DIR SETTINGS FRESH(0|1)
open_folder() {
    local out=$1 settings=$2 fresh=$3
    if [ "$fresh" = 1 ] && [ -e "$out" ]; then
        [ -f "$out/settings.txt" ] || [ -z "$(ls -A "$out")" ] ||
            die "$out was not written by this script; remove it yourself"
        rm -rf "$out"
    fi
    mkdir -p "$out"
    if [ -f "$out/settings.txt" ] && [ "$(cat "$out/settings.txt")" != "$settings" ]; then
        die "$out was made with other settings ($(cat "$out/settings.txt")); use --fresh or another --out"
    fi
    echo "$settings" >"$out/settings.txt"
}

# Trains, or continues, one run: train_run CONFIG DIR [SETTING]...
train_run() {
    local config=$1 dir=$2 how=(--overwrite)
    shift 2
    if [ -f "$dir/finished" ]; then
        say "already done: $dir"
        return
    fi
    [ -f "$dir/last_checkpoint" ] && how=(--resume)
    build/release/ballast train "$config" --out "$dir" "${how[@]}" "$@"
    touch "$dir/finished"
}
