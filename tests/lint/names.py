#!/usr/bin/env python3
"""Finds files, functions, settings and options that comments and documents name and the tree does not have.

    names.py FILE...      the files of the tree; lists what is not there as file:line, exit 1 if there is any
    names.py --selftest   a small tree with names that are there and planted ones that are not

Looked for are: paths and file names of the tree's kinds (`core/status.h`, `loop.c`), `bl_` names and calls
(`bl_fail`, `update()`), keys of docs/config.md (`run.precision`), and `--options` in backquotes.
"""
import os
import re
import sys
import tempfile

SOURCE = ('.c', '.h', '.cu', '.cuh')
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
PATH = re.compile(r'(?<![\w./<{}*-])((?:[\w.-]+/)*[\w-]+\.(?:c|h|cu|cuh|cmake|case|md))\b(?![\w/*]|\.\w)')
WORD = re.compile(r'[A-Za-z_]\w*')
NAME = re.compile(r'(?<![\w./-])bl_[a-z0-9_]*[a-z0-9]\b(?![*/]|\.\w)')
ROOM = re.compile(r'(?<![\w./<{}*-])([a-z]+/[\w./-]*[\w])(?![\w/*{<-]|\.\w)')
CALL = re.compile(r'\b([a-z_][a-z0-9_]{2,})\(\)')
KEY = re.compile(r'(?<![\w./-])([a-z_]+(?:\.[a-z_0-9]+)+)(?![\w/(]|\.\w)')
QUOTED = re.compile(r'`([a-z][a-z0-9]*(?:_[a-z0-9]+)+)(?:\(\))?`')
OPTION = re.compile(r'`(?:[^`\n]* )?(--[a-z][a-z-]+)')

# What other programs and libraries own, and names that stand for any.
FOREIGN_FILES = {'stdio.h', 'cudnn_graph.h', 'app.c', 'x.json', 'build.py', 'sweep.md'}
FOREIGN_NAMES = {'bl_leaky'}
RUN_FOLDER = re.compile(r'eval/(iter_|\.\.\.)')


def comments(text):
    """The comments of a C file, everything else blanked."""
    out, last = [], 0
    for m in COMMENT.finditer(text):
        keep = m.group()[0] == '/'
        out.append(re.sub(r'[^\n]', ' ', text[last:m.start()]))
        out.append(m.group() if keep else re.sub(r'[^\n]', ' ', m.group()))
        last = m.end()
    return ''.join(out)


def code(text):
    return COMMENT.sub(lambda m: ' ' if m.group()[0] == '/' else m.group(), text)


class Tree:
    def __init__(self, names):
        self.names = set(names)
        self.base = {os.path.basename(n) for n in names}
        self.tails = {'/'.join(n.split('/')[k:]) for n in names for k in range(n.count('/') + 1)}
        self.top = {n.split('/')[0] for n in names if '/' in n}
        self.rooms = {'/'.join(n.split('/')[:k]) for n in names for k in range(1, n.count('/') + 1)}
        self.stems = {n.rsplit('.', 1)[0] for n in names}
        self.words, self.text = set(), {}
        for n in names:
            try:
                with open(n, encoding='utf-8') as f:
                    self.text[n] = f.read()
            except (UnicodeDecodeError, FileNotFoundError):
                continue
            if n.endswith(SOURCE):
                self.words.update(WORD.findall(code(self.text[n])))
            elif not n.endswith('.md'):
                self.words.update(WORD.findall(self.text[n]))
        self.keys, self.sections = config_keys(self.text.get('docs/config.md', ''))
        self.options = set()
        for n, text in self.text.items():
            if not n.endswith('.md'):
                self.options.update(re.findall(r'--[a-z][a-z-]+', text))
                if n.startswith('cli/'):
                    self.options.update('--' + w for w in re.findall(r'"([a-z][a-z-]+)"', text))

    def has_test(self, name):
        kind, _, rest = name.partition('_')
        return ('tests/%s/%s.case' % (kind, rest) in self.names
                or any(s.endswith(('/' + name, '/test_' + name)) for s in self.stems))

    def has_file(self, name, near):
        folder = os.path.dirname(near)
        return (name in self.tails or os.path.normpath(os.path.join(folder, name)) in self.names
                or os.path.basename(name) in FOREIGN_FILES)


def config_keys(text):
    """Full keys and sections of the generated documentation: section headings and the keys below them."""
    keys, sections, section = set(), set(), ''
    for line in text.splitlines():
        heading = re.match(r'## (\S+)$', line)
        row = re.match(r'\| `(\w+)` \|', line)
        if line.startswith('#'):
            section = heading.group(1) if heading else ''
            sections.add(section)
        elif row:
            keys.add((section + '.' if section else '') + row.group(1))
    return keys, {s for s in sections if s}


def missing(tree, name, text):
    """(position, what) of every name in `text`, a document or the comments of a file, that is not there."""
    document = name.endswith('.md')
    for m in PATH.finditer(text):
        if not tree.has_file(m.group(1), name):
            yield m.start(1), 'no file %s' % m.group(1)
    for m in ROOM.finditer(text):
        room = m.group(1)
        if (room.split('/')[0] in tree.top and not PATH.fullmatch(room) and not RUN_FOLDER.match(room)
                and os.path.basename(room) not in FOREIGN_FILES and not re.match(r'[A-Z]+(\.\w+)?$', os.path.basename(room))
                and not (room in tree.names or room in tree.rooms or room in tree.stems)):
            yield m.start(1), 'no file or folder %s' % room
    for m in NAME.finditer(text):
        if m.group() not in tree.words and m.group() not in FOREIGN_NAMES:
            yield m.start(), 'nothing is called %s' % m.group()
    for m in CALL.finditer(text):
        if m.group(1) not in tree.words:
            yield m.start(), 'no function %s()' % m.group(1)
    for m in KEY.finditer(text):
        key = m.group(1)
        if key.split('.')[0] in {s.split('.')[0] for s in tree.sections} and not known_key(tree, key, document):
            yield m.start(), 'no setting %s' % key
    if document:
        for m in QUOTED.finditer(text):
            if m.group(1) not in tree.words and not tree.has_test(m.group(1)):
                yield m.start(1), 'nothing is called %s' % m.group(1)
        for m in OPTION.finditer(text):
            if m.group(1) not in tree.options:
                yield m.start(1), 'no option %s' % m.group(1)


def known_key(tree, key, document):
    """A setting, a section, a member of a C object (comments say `batch.plan`), or a file that a run writes."""
    return (key in tree.keys or key in tree.sections or any(k.endswith('.' + key) for k in tree.keys | tree.sections)
            or key.rsplit('.', 1)[1] in ('json', 'jsonl', 'csv', 'html', 'log', 'txt', 'safetensors', 'png', 'svg', 'bin',
                                         'conv', 'weight', 'bias', 'mat', 'npy', 'so', 'jpg', 'gz', 'xz')
            or (not document and key.rsplit('.', 1)[1] in tree.words))


def main(names):
    tree, count = Tree(names), 0
    for name in sorted(tree.text):
        if name == 'CHANGELOG.md' or not name.endswith(SOURCE + ('.md',)):
            continue  # the change log speaks of what was
        text = tree.text[name] if name.endswith('.md') else comments(tree.text[name])
        for at, what in sorted(set(missing(tree, name, text))):
            count += 1
            print('%s:%d: %s' % (name, text.count('\n', 0, at) + 1, what))
    print('%d files: %s' % (len(tree.text), '%d names of what is not there' % count if count else 'every name is there'))
    return count > 0 or not tree.text


def selftest():
    config = '# Configuration\n\n## run\n\n| `seed` | integer |\n\n## method.gbr\n\n| `beta` | number |\n'
    there = ['core/status.h', 'status.h', 'core/core.md', 'bl_fail', 'bl_fail()', 'strtod()', 'run.seed', 'method.gbr.beta',
             'gbr.beta', 'method.gbr', '`ballast --quiet`', 'run.json', 'bl_* names', 'core/status', 'core/', 'core/*', 'core/NAME.json', 'and/or', 'other/*.c']
    gone = ['core/gone.h', 'gone.c', 'core/gone.md', 'core/gone', 'docs/gone/x', 'bl_gone', 'bl_gone()', 'vanish()', 'run.speed', 'method.gbr.gamma',
            'method.gone', '`ballast --gone`']
    wrong, here = [], os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for d in ('core', 'docs', 'cli'):
            os.mkdir(d)
        files = {'core/status.h': 'int bl_fail(void);\nint x = strtod("1", 0);\n', 'docs/config.md': config,
                 'cli/main.c': 'f("quiet");\n', 'core/core.md': '', 'core/a.c': '', 'docs/a.md': ''}
        for phrases, wanted in ((there, 0), (gone, 1)):
            for phrase in phrases:
                for path, form in (('core/a.c', '/* See\n * %s. */\nint y;\n'), ('docs/a.md', 'See %s.\n')):
                    if path == 'core/a.c' and '`' in phrase:
                        continue
                    for n, t in {**files, path: form % phrase}.items():
                        with open(n, 'w', encoding='utf-8') as f:
                            f.write(t)
                    tree = Tree(sorted(files))
                    text = tree.text[path] if path.endswith('.md') else comments(tree.text[path])
                    if bool(list(missing(tree, path, text))) != bool(wanted):
                        wrong.append('%s in %s: %s' % (phrase, path, 'not found' if wanted else 'refused, but is there'))
        os.chdir(here)
    print('\n'.join(wrong) or '%d planted, %d that are there: all told apart' % (len(gone), len(there)))
    return bool(wrong)


if __name__ == '__main__':
    sys.exit(selftest() if sys.argv[1:] == ['--selftest'] else main(sys.argv[1:]))
