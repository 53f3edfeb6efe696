"""One run of a Python evaluator for scripts/bench-eval; prints one line of JSON.

    eval_tool.py pycocotools|faster-coco-eval|lvis|pycocotools-load GT [DT]
"""
import contextlib
import io
import json
import resource
import sys
import time

start = time.perf_counter()
KEYS = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


def coco(COCO, COCOeval, gt, dt):
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
    from lvis import LVIS, LVISEval, LVISResults
    logging.disable(logging.WARNING)
    g = LVIS(gt)
    loaded = time.perf_counter()
    d = LVISResults(g, dt)
    read = time.perf_counter()
    ev = LVISEval(g, d, "bbox")
    ev.run()
    return dict(read_gt=loaded - begin, read_dt=read - loaded, evaluate=time.perf_counter() - read,
                **{k.split("@")[0]: float(v) for k, v in ev.get_results().items()})


tool, files = sys.argv[1], sys.argv[2:]
with contextlib.redirect_stdout(io.StringIO()):
    begin = time.perf_counter()
    if tool == "lvis":
        out = lvis(*files)
    elif tool == "faster-coco-eval":
        from faster_coco_eval import COCO, COCOeval_faster
        begin = time.perf_counter()
        out = coco(COCO, COCOeval_faster, *files)
    else:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
        begin = time.perf_counter()
        if tool == "pycocotools-load":
            COCO(files[0])
            out = dict(read_gt=time.perf_counter() - begin)
        else:
            out = coco(COCO, COCOeval, *files)
out.update(total=time.perf_counter() - begin, with_imports=time.perf_counter() - start,
           peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print(json.dumps(out))
