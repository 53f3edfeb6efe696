"""One run of a Python evaluator for scripts/bench-eval; prints one line of JSON.

    eval_tool.py pycocotools|faster-coco-eval|lvis|pycocotools-load GT [DT]
"""
import contextlib
import io
import json
import resource
import sys
import time

KEYS = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


def coco(gt, dt):
    g = COCO(gt)
    loaded = time.perf_counter()
    d = g.loadRes(dt)
    read = time.perf_counter()
    ev = COCOeval(g, d, "bbox")
    ev.evaluate()
    ev.accumulate()
    ev.summarize()
    return dict(read_gt=loaded - begin, read_dt=read - loaded, evaluate=time.perf_counter() - read,
                **dict(zip(KEYS, map(float, ev.stats))))


def lvis(gt, dt):
    import logging
    import numpy as np
    np.float = float  # lvis 0.5 still spells it so
    logging.disable(logging.WARNING)
    g = LVIS(gt)
    loaded = time.perf_counter()
    d = LVISResults(g, dt)
    read = time.perf_counter()
    ev = LVISEval(g, d, "bbox")
    ev.run()
    return dict(read_gt=loaded - begin, read_dt=read - loaded, evaluate=time.perf_counter() - read,
                **{k.split("@")[0]: float(v) for k, v in ev.get_results().items()})


def cpu():
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime


tool, files = sys.argv[1], sys.argv[2:]
if tool == "lvis":
    from lvis import LVIS, LVISEval, LVISResults
elif tool == "faster-coco-eval":
    from faster_coco_eval import COCO, COCOeval_faster as COCOeval
else:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
imports = cpu()  # neither their time nor their CPU time counts
begin = time.perf_counter()
with contextlib.redirect_stdout(io.StringIO()):
    if tool == "lvis":
        out = lvis(*files)
    elif tool == "pycocotools-load":
        COCO(files[0])
        out = dict(read_gt=time.perf_counter() - begin)
    else:
        out = coco(*files)
out.update(total=time.perf_counter() - begin, cpu=cpu() - imports,
           peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print(json.dumps(out))
