# The stages of scripts/gpu-check; sourced by it, each run by itself below a time limit. A stage writes rows of the
# table, and its log to standard output; it returns an error only when it could not go on.
out=$GPU_CHECK_OUT

row() { # ok|FAILED|skipped|info NAME TEXT
    printf '%s\t%s\t%s\n' "$@" >>"$out/rows"
    printf '%s: %s: %s\n' "$@"
}

# row_of NAME LIMIT COMMAND...: ok, skipped (77) or FAILED with its last line. COMMAND may be a function of ours.
row_of() {
    local name=$1 most=$2 code=0 log before=$SECONDS
    log=$out/${name//[^A-Za-z0-9]/_}.log
    shift 2
    within "$most" "$@" >"$log" 2>&1 || code=$?
    case $code in
    0) row ok "$name" "$((SECONDS - before)) s" ;;
    77) row skipped "$name" "$(tail -n 1 "$log")" ;;
    124 | 137) row FAILED "$name" "stopped after $most s" ;;
    *) row FAILED "$name" "$(grep -v '^ *$' "$log" | tail -n 1)" ;;
    esac
    [ $code = 0 ]
}

# within SECONDS COMMAND...: as timeout, for one of our programs ("ours NAME ...") too.
within() {
    local most=$1
    shift
    if [ "$1" = ours ]; then
        local path
        path=$(program "$2") || { say "$2 is not there"; return 1; }
        shift 2
        LD_LIBRARY_PATH=$LIBRARIES${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} timeout -k 5 "$most" "$path" "$@"
    else
        timeout -k 5 "$most" "$@"
    fi
}

# ---- parity ----
stage_parity() {
    local test
    while read -r test; do
        row_of "$test" 150 ours "$test" || true # gpu_cuda_conv tries about 530 engines
    done < <(gpu_tests "$build")
}

# ---- a training beside the CPU's ----
demo_data() {
    [ -f "$out/data/synth.json" ] || ours ballast synth --config configs/demo/synth.json --out "$out/data" \
        labelled=40 unlabelled=80 test=20 seed=1
}

# demo_run CONFIG DEVICE FOLDER [ARGUMENT]...
demo_run() {
    local config=$1 device=$2 dir=$3
    shift 3
    ours ballast train "configs/demo/$config.json" --out "$out/$dir" "data.root=$out/data" "run.device=$device" \
        run.log_every=1 run.eval_every=0 run.checkpoint_every=0 run.samples=0 "$@"
}

# The losses of a run's iterations: "ITER LOSS".
curve() {
    sed -n 's/.*"kind": *"train".*/&/p' "$out/$1/metrics.jsonl" |
        sed -E 's/.*"iter": *([0-9]+).*"loss": *([-+0-9.eE]+).*/\1 \2/'
}

# compare_curves NAME A B: the first losses come from equal weights and images and differ by rounding alone; later
# ones drift apart, because a rounding decides which of two proposals stays, but not on average.
compare_curves() {
    local text code=0
    text=$(join <(curve "$2" | sort) <(curve "$3" | sort) | sort -n | awk '
        { n++; d = $3 - $2; if (d < 0) d = -d; if (d / $2 > worst) worst = d / $2
          if (n == 1) first = d / $2; a += $2; b += $3 }
        END { if (!n) { print "no losses to compare"; exit 1 }
              mean = b / a - 1
              printf "%d iterations: first loss differs by %.1e, mean by %+.2f %%, one at most by %.1f %%\n",
                     n, first, 100 * mean, 100 * worst
              exit !(first < 1e-3 && mean < 0.05 && mean > -0.05) }') || code=1
    [ $code = 0 ] && row ok "$1" "$text" || row FAILED "$1" "$text"
}

stage_demo() {
    local config device
    demo_data || return
    for config in quick_supervised quick_full; do
        for device in cpu cuda:0; do
            demo_run $config $device "$config-$device" run.iterations=30 data.test= || {
                row FAILED "train $config on $device" "$(tail -n 1 "$out/demo.log")"
                continue 2
            }
        done
        compare_curves "loss of $config, cpu and cuda:0" "$config-cpu" "$config-cuda:0"
    done
}

# ---- a run that changes its device ----
stage_resume() {
    local from to dir
    demo_data || return
    demo_run quick_full cpu whole run.iterations=24 data.test= || return
    for from in cpu cuda:0; do
        [ $from = cpu ] && to=cuda:0 || to=cpu
        dir=from-$from
        if demo_run quick_full $from "$dir" run.iterations=24 data.test= --stop-after 16 &&
            ours ballast train "$out/$dir" --resume "run.device=$to"; then
            compare_curves "stopped on $from, resumed on $to" whole "$dir"
        else
            row FAILED "stopped on $from, resumed on $to" "$(tail -n 1 "$out/resume.log")"
        fi
    done
}

# ---- ways of feeding the device: the same batches, so the same losses ----
# step_ms FOLDER: the fastest tenth of a run's steps, in ms.
step_ms() {
    sed -nE 's/.*"kind": *"train".*"time": *([-+0-9.eE]+).*/\1/p' "$out/$1/metrics.jsonl" | sort -g |
        awk '{ t[NR] = $1 } END { n = int((NR + 9) / 10); for (i = 1; i <= n; i++) s += t[i]; if (n) printf "%.2f", 1000 * s / n }'
}

# same_losses NAME A B
same_losses() {
    local n
    n=$(curve "$2" | wc -l)
    if [ "$n" -gt 0 ] && cmp -s <(curve "$2") <(curve "$3"); then
        row ok "$1" "$n iterations equal to the last digit; $(step_ms "$2") ms a step without, $(step_ms "$3") ms with"
    else
        row FAILED "$1" "the losses are not the same: $out/$2 and $out/$3"
    fi
}

stage_feed() {
    local way
    demo_data || return
    demo_run quick_full cuda:0 late run.iterations=24 data.test= || return
    demo_run quick_full cuda:0 early run.iterations=24 data.test= run.prefetch_device=true || return
    same_losses "pixels sent ahead, detection" late early
    for way in cpu device ahead; do
        ours ballast train configs/class/quick_fixmatch_la.json --out "$out/class-$way" run.device=cuda:0 \
            run.iterations=60 run.log_every=1 run.eval_every=0 run.eval_limit=10 run.features=false \
            "views.device=${way/ahead/cpu}" "run.prefetch_device=$([ $way = ahead ] && echo true || echo false)" || return
    done
    same_losses "views by the device" class-cpu class-device
    same_losses "pixels sent ahead, classification" class-cpu class-ahead
}

# ---- compute-sanitizer ----
# find_sanitizer: on the PATH, where toolkits put it, or in the wheel nvidia-cuda-sanitizer-api.
find_sanitizer() {
    command -v compute-sanitizer && return
    local path
    for path in "${CUDA_HOME:-/usr/local/cuda}"/{bin,compute-sanitizer}/compute-sanitizer \
        $(command -v "$python" >/dev/null && "$python" -c 'import glob, sys
print(*(f for p in sys.path for f in glob.glob(p + "/nvidia/*/bin/compute-sanitizer")))'); do
        [ -x "$path" ] && printf '%s\n' "$path" && return
    done
    return 1
}

# sanitizer_options TOOL: errors get an exit code that no test has. The tests provoke failing calls (too much memory),
# which are not reported; scratch memory comes and goes with the stream, which is watched.
SANITIZER_ERROR=99
sanitizer_options() {
    printf '%s\n' --tool "$1" --error-exitcode $SANITIZER_ERROR
    [ "$1" != memcheck ] || printf '%s\n' --report-api-errors no --track-stream-ordered-races all
}

# sanitize TOOL TEST: a row. 255 is the sanitizer's own failure: nothing was checked.
sanitize() {
    local tool=$1 test=$2 name="$1 $2" path log options code=0 before=$SECONDS
    path=$(program "$test") || return 0
    mapfile -t options < <(sanitizer_options "$tool")
    log=$out/${tool}_$test.log
    LD_LIBRARY_PATH=$LIBRARIES${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
        timeout -k 5 40 "$sanitizer" "${options[@]}" "$path" >"$log" 2>&1 || code=$?
    case $code in
    0) row ok "$name" "$((SECONDS - before)) s" ;;
    77) row skipped "$name" "$(tail -n 1 "$log")" ;;
    "$SANITIZER_ERROR") row FAILED "$name" "$(grep -m 1 -E '^=+ (Error|Invalid|Warning|Barrier|Uninit)' "$log" || tail -n 1 "$log")" ;;
    124 | 137) row FAILED "$name" "stopped after 40 s" ;;
    255) row skipped "$name" "the sanitizer could not run: $(grep -m 1 Error "$log" || head -n 1 "$log")" ;;
    *) row FAILED "$name" "the test itself, exit code $code: $(grep -v '^=' "$log" | tail -n 1)" ;;
    esac
}

stage_sanitizer() {
    local tool test sanitizer
    sanitizer=$(find_sanitizer) || {
        row skipped compute-sanitizer "not found on this machine"
        return 0
    }
    for tool in memcheck racecheck synccheck; do
        while read -r test; do
            sanitize $tool "$test"
        done < <(gpu_tests "$build" | grep -vE 'conv|matmul') # those run the vendor's kernels
    done
}

# ---- benchmarks ----
# number KEY FILE: a number of the JSON object on a file's last line.
number() { tail -n 1 "$2" | sed -nE 's/.*"'"$1"'": ([-+0-9.eE]+).*/\1/p'; }

# timed FILE LIMIT COMMAND...: keeps its output; false, with a row, when it fails.
timed() {
    local file=$out/$1.json code=0
    shift
    within "$@" >"$file" 2>"$file.log" || code=$?
    cat "$file" "$file.log"
    [ $code = 0 ]
}

has_torch() {
    command -v "$python" >/dev/null &&
        "$python" -c 'import sys, torch, torchvision; sys.exit(not torch.cuda.is_available())' 2>/dev/null
}

# step_row TITLE PRECISION IMAGES OURS [THEIRS]: the row of a training step. Arguments are names of timed results:
# ours, and one to compare it with.
step_row() {
    local title=$1 precision=$2 images=$3 ours=$4 theirs=${5-} ms text ceiling other
    if [ ! -s "$out/$ours.json" ]; then
        row FAILED "$title $precision" "$(tail -n 1 "$out/$ours.json.log")"
        return
    fi
    ms=$(number median_ms "$out/$ours.json")
    text=$(awk -v ms="$ms" -v n="$images" 'BEGIN { printf "%.2f ms, %.0f img/s", ms, 1000 * n / ms }')
    ceiling=$(number "${precision}_tflop_s" "$out/ceilings.json" || true)
    [ -z "$ceiling" ] || text=$text$(awk -v ms="$ms" -v g="$(number gflop "$out/$ours.json")" -v c="$ceiling" \
        'BEGIN { printf ", %.1f TFLOP/s, %.0f %% of %.0f", g / ms, 100 * g / ms / c, c }')
    if [ -n "$theirs" ]; then
        other=$(number median_ms "$out/$theirs.json" 2>/dev/null || true)
        text="$text; ${theirs#*-} $([ -n "$other" ] && awk -v a="$ms" -v b="$other" \
            'BEGIN { printf "%.2f ms, so %.2fx", b, b / a }' || echo failed)"
    fi
    row ok "$title $precision" "$text"
}

# What is timed, each in ours and in PyTorch's words. Each writes its file; a file that is there is not made again,
# so that the calls of one check share them.
DETECTOR='Faster R-CNN R50-FPN 8x800x1344' FIXMATCH='FixMatch WRN-28-2 64 + 2x448' RESNET='ResNet-50 128x224x224'

detector_numbers() { # 1333 px padded to strides of 32
    local config=$out/detector.json
    [ -f "$config" ] ||
        ours ballast config configs/coco/supervised_r50_10pct.json detector.roi_sampling=2 --out "$config" >/dev/null || return
    echo "$config 8 800x1344 80 10"
}

ours_detector() { # NAME PRECISION [SETTING]...
    local name=$1 p=$2 numbers
    shift 2
    [ ! -s "$out/$name.json" ] || return 0
    numbers=$(detector_numbers) || return
    # shellcheck disable=SC2086
    timed "$name" 60 ours bench_detector $numbers run.device=cuda:0 "run.precision=$p" "$@"
}

torch_detector() { # PRECISION
    local numbers
    numbers=$(detector_numbers) || return
    # shellcheck disable=SC2086
    timed "detector-torchvision_$1" 90 "$python" scripts/bench/torchvision_step.py $numbers "$(nproc)" channels_last \
        --device cuda:0 --precision "$1"
}

ours_fixmatch() { # NAME PRECISION [VIEWS]
    local name=$1
    shift
    [ -s "$out/$name.json" ] || timed "$name" 40 ours bench_classifier 64 448 50 "$(nproc)" cuda:0 "$@"
}

torch_fixmatch() { # PRECISION
    timed "fixmatch-torch_$1" 90 "$python" scripts/bench/classifier_step.py 64 448 50 "$(nproc)" channels_last \
        --device cuda:0 --precision "$1"
}

ours_resnet() { # NAME PRECISION
    [ -s "$out/$1.json" ] || timed "$1" 40 ours bench_network 128 224 1000 20 cuda:0 "$2" backbone=resnet depth=50 \
        small_images=false
}

torch_resnet() { # PRECISION
    timed "resnet-torch_$1" 60 "$python" scripts/bench/network_step.py 128 224 1000 20 --device cuda:0 --precision "$1"
}

# Kernels: "NAME MS GB/s" lines of ours, "NAME MS" of PyTorch's.
bench_kernels() {
    local name ms rate text other peak
    timed kernels 60 ours bench_kernels --device cuda:0 --plain --ms 100 ||
        row FAILED "kernels" "$(tail -n 1 "$out/kernels.json.log")"
    # Nanoseconds a view of 32x32; 1,024 of them read 3 bytes a pixel and write 12.
    if timed views 30 ours bench_augment --device cuda:0 --ms 100; then
        awk '{ ms = $2 * 1024e-6; printf "views_%s %.4f %.2f\n", $1, ms, 1024 * 1024 * 15e-6 / ms }' \
            "$out/views.json" >>"$out/kernels.json"
    else
        row FAILED "views" "$(tail -n 1 "$out/views.json.log")"
    fi
    peak=$(number memory_gb_s "$out/ceilings.json" || true)
    while read -r name ms rate; do
        text="$ms ms, $rate GB/s"
        [ -z "$peak" ] || text="$text, $(awk -v r="$rate" -v p="$peak" 'BEGIN { printf "%.0f %% of %.0f", 100 * r / p, p }')"
        other=$(awk -v n="$name" '$1 == n { print $2 }' "$out/kernels-torch.json" 2>/dev/null || true)
        [ -z "$other" ] || text="$text; torchvision $(awk -v a="$ms" -v b="$other" \
            'BEGIN { printf "%.4f ms, so %.2fx", b, b / a }')"
        row ok "$name" "$text"
    done <"$out/kernels.json"
}

measure_ceilings() {
    [ ! -s "$out/ceilings.json" ] || return 0
    if timed ceilings 20 ours bench_ceilings; then
        row ok "ceilings" "$(tr -d '{}"' <"$out/ceilings.json")"
    else
        row FAILED "ceilings" "$(tail -n 1 "$out/ceilings.json.log")"
    fi
}

# Ours alone, what matters first: each row is written as soon as it is known.
stage_bench() {
    local p
    measure_ceilings
    for p in bf16 tf32 fp16 fp32; do
        ours_detector "detector_$p" $p || true
        step_row "$DETECTOR" $p 8 "detector_$p"
        ours_fixmatch "fixmatch_$p" $p || true
        step_row "$FIXMATCH" $p 960 "fixmatch_$p"
        ours_fixmatch "fixmatch-views_$p" $p device || true
        step_row "FixMatch, views by the device" $p 960 "fixmatch-views_$p"
        ours_resnet "resnet_$p" $p || true
        step_row "$RESNET" $p 128 "resnet_$p"
        [ $p != bf16 ] || bench_kernels
    done
}

# With graphs, beside without.
stage_graphs() {
    local p
    for p in bf16 tf32; do
        ours_detector "detector_$p" $p && ours_detector "detector-graphs_$p" $p run.graphs=true || true
        step_row "Faster R-CNN R50-FPN, graphs" $p 8 "detector-graphs_$p" "detector_$p"
        ours_fixmatch "fixmatch-views_$p" $p device && ours_fixmatch "fixmatch-graphs_$p" "$p+graphs" device || true
        step_row "FixMatch, views by the device, graphs" $p 960 "fixmatch-graphs_$p" "fixmatch-views_$p"
    done
}

# Beside PyTorch, bf16 first: it takes most of the time.
stage_torch() {
    local p
    if ! has_torch; then
        row skipped "PyTorch" "$python has no torch and torchvision that see the GPU"
        return 0
    fi
    for p in bf16 tf32 fp32; do
        ours_detector "detector_$p" $p && torch_detector $p || true
        step_row "$DETECTOR" $p 8 "detector_$p" "detector-torchvision_$p"
        ours_fixmatch "fixmatch_$p" $p && torch_fixmatch $p || true
        step_row "$FIXMATCH" $p 960 "fixmatch_$p" "fixmatch-torch_$p"
        ours_resnet "resnet_$p" $p && torch_resnet $p || true
        step_row "$RESNET" $p 128 "resnet_$p" "resnet-torch_$p"
        [ $p != bf16 ] || { timed kernels-torch 60 "$python" scripts/bench/kernels_torch.py --device cuda:0 --ms 100 && bench_kernels; } || true
    done
}
