#!/usr/bin/env python3
"""Finds circles among source files, from the symbols of their objects: files that need each other's functions, straight or round a corner.

    circles.py NM OBJECT...   exit 1 if there is a circle
    circles.py --selftest

A circle is opened by moving the part that drives, or what both sides share, into a file of its own.
"""
import os
import re
import subprocess
import sys


def symbols(nm, paths):
    """{source file: (defined, needed)} of objects as CMake names them: ssl/CMakeFiles/bl_ssl.dir/classification/abc.c.o is ssl/classification/abc.c."""
    text = subprocess.run([nm, '-A', '-g'] + paths, check=True, capture_output=True, text=True).stdout
    objects = {}
    for line in text.splitlines():
        path, _, rest = line.rpartition(':')
        kind, symbol = rest.split()[-2:]
        name = re.sub(r'CMakeFiles/[^/]*\.dir/|\.o$', '', os.path.relpath(path))
        defined, needed = objects.setdefault(name, (set(), set()))
        (needed if kind in 'Uw' else defined).add(symbol)
    return objects


def arrows(objects):
    home = {s: name for name, (defined, _) in objects.items() for s in defined}
    return {name: {home[s] for s in needed if s in home and home[s] != name}
            for name, (_, needed) in objects.items()}


def circles(graph):
    """The sets of files each of which reaches all others (Tarjan, "Depth-first search and linear graph algorithms")."""
    index, low, stack, found = {}, {}, [], []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in sorted(graph[v]):
            if w not in index:
                visit(w)
            if w in stack:
                low[v] = min(low[v], low[w])
        if low[v] == index[v]:
            at = stack.index(v)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for v in sorted(graph):
        if v not in index:
            visit(v)
    return found


def main(nm, paths):
    objects = symbols(nm, paths)
    graph = arrows(objects)
    found = circles(graph)
    for circle in found:
        print('a circle of %d files:' % len(circle))
        for a in circle:
            for b in sorted(graph[a] & set(circle)):
                print('  %s needs of %s: %s' % (a, b, ', '.join(sorted(objects[a][1] & objects[b][0]))))
    print('%d files: %s' % (len(graph), '%d circles' % len(found) if found else 'no circle'))
    return bool(found) or len(graph) < 2


def selftest():
    cases = [({'a': 'b', 'b': 'c', 'c': ''}, 0), ({'a': 'b', 'b': 'a'}, 1), ({'a': 'b', 'b': 'c', 'c': 'a', 'd': 'a'}, 1),
             ({'a': 'b', 'b': 'a', 'c': 'd', 'd': 'c'}, 2), ({'a': 'bcd', 'b': 'd', 'c': 'd', 'd': ''}, 0),
             ({'drive': ['p1', 'p2'], 'p1': ['drive'], 'p2': []}, 1), ({'a': 'a', 'b': ''}, 0)]
    wrong = 0
    for graph, wanted in cases:
        objects = {v: ({'bl_' + v}, {'bl_' + w for w in to} | {'printf'}) for v, to in graph.items()}
        got = len(circles(arrows(objects)))
        if got != wanted:
            wrong += 1
            print('%s: %d circles instead of %d' % (graph, got, wanted))
    print('%d graphs, %d wrong' % (len(cases), wrong))
    return wrong > 0


if __name__ == '__main__':
    sys.exit(selftest() if sys.argv[1:] == ['--selftest'] else main(sys.argv[1], sys.argv[2:]))
