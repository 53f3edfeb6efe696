#!/usr/bin/env python3
"""Finds comma operators outside of for-headers: `free(a), free(b);` is two statements in one line's clothes.

    commas.py FILE...     lists them as file:line, exit 1 if there are any
    commas.py --selftest  plants some, and lines that only look like them
"""
import re
import sys

TOKEN = re.compile(r'[A-Za-z_]\w*|\d[\w.]*|<<<|>>>|->|[-+*/%&|^=!<>]=|\+\+|--|&&|\|\||\S')
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
TYPE_WORDS = set('const static struct enum union unsigned signed typedef extern register volatile int char float '
                 'double void short long bool inline constexpr using template auto _Thread_local __shared__ '
                 '__constant__ __device__ namespace'.split())
HEADS = ('if', 'while', 'switch', 'for')
OPEN, CLOSE = '([{', ')]}'


def blank(match):
    text = match.group()
    if text[0] in '"\'':
        return text[0] + '_' * (len(text) - 2) + text[0] if '\n' not in text else text
    return re.sub(r'[^\n\\]|\\(?!\n)', ' ', text)


class Token:
    def __init__(self, text, at):
        self.text, self.at, self.end, self.mate = text, at, at + len(text), None


def tokenise(text):
    tokens = []
    for m in re.finditer(r'"[^"\n]*"|\'[^\'\n]*\'|' + TOKEN.pattern, text):
        tokens.append(Token(m.group(), m.start()))
    stack = []
    for i, t in enumerate(tokens):
        if t.text in OPEN:
            stack.append(i)
        elif t.text in CLOSE and stack:
            j = stack.pop()
            t.mate, tokens[j].mate = j, i
    return tokens


def is_word(t):
    return re.match(r'[A-Za-z_]', t.text) is not None


def is_block(tokens, i):
    """Whether the brace at i opens statements (not an initialiser, struct or enum)."""
    if i == 0:
        return True
    before = tokens[i - 1].text
    if before in ('else', 'do', ';', '{', '}', ':', '('):
        return True
    if before != ')' or tokens[i - 1].mate is None:
        return False
    k = tokens[i - 1].mate - 1
    return k >= 0 and (tokens[k].text in HEADS or (is_word(tokens[k]) and tokens[k].text not in ('return', 'sizeof')))


def commas(tokens, first, last):
    """Indices of the commas of tokens[first:last] that stand in no bracket and no template argument list."""
    found, i = [], first
    while i < last:
        t = tokens[i]
        if t.text in OPEN and t.mate is not None:
            i = t.mate
        elif t.text == '<<<':
            while i < last and tokens[i].text != '>>>':
                i += 1
        elif t.text == '<' and i > first and is_word(tokens[i - 1]):
            k = i + 1
            while k < last and (is_word(tokens[k]) or tokens[k].text[0].isdigit() or tokens[k].text in ',*:<-('):
                k = (tokens[k].mate or k) + 1
            if k < last and tokens[k].text in ('>', '>>>'):
                i = k
        elif t.text == ',' and not (i + 3 <= last and [dot.text for dot in tokens[i + 1:i + 4]] == ['.'] * 3):
            found.append(i)
        i += 1
    return found


def is_declaration(tokens, first, last):
    words = tokens[first:last]
    if not words or words[0].text in TYPE_WORDS:
        return True
    if not is_word(words[0]) or words[0].text in ('return', 'goto'):
        return False
    k = 1
    while k < len(words) and words[k].text == '*':
        k += 1
    while k < len(words) and words[k].text in ('const', 'restrict'):
        k += 1
    return k < len(words) and is_word(words[k]) and (k == 1 or len(words) == k + 1 or words[k + 1].text in ',=[')


class Statement:
    """tokens[first:last] without its semicolon; bare: it is the body of an if, else or loop without braces."""
    def __init__(self, tokens, first, last, bare, at):
        self.tokens, self.first, self.last, self.bare, self.at = tokens, first, last, bare, at


def statements(tokens, first, last):
    """The simple statements among tokens[first:last], which are the inside of a block or of a file."""
    i, start, bare = first, first, False
    while i < last:
        t = tokens[i].text
        if i == start and t in HEADS and i + 1 < last and tokens[i + 1].text == '(' and tokens[i + 1].mate:
            i = start = tokens[i + 1].mate + 1
            bare = True
        elif i == start and t in ('else', 'do'):
            i = start = i + 1
            bare = True
        elif i == start and t in ('case', 'default'):
            while i < last and tokens[i].text != ':':
                i += 1
            i = start = i + 1
        elif i == start and is_word(tokens[i]) and i + 1 < last and tokens[i + 1].text == ':':
            i = start = i + 2
        elif t == '{' and tokens[i].mate is not None:
            if is_block(tokens, i):
                yield from statements(tokens, i + 1, tokens[i].mate)
                i = start = tokens[i].mate + 1
                bare = False
            else:
                i = tokens[i].mate + 1
        elif t == '(' and tokens[i].mate is not None:
            if i + 1 < last and tokens[i + 1].text == '{':
                yield from statements(tokens, i + 1, tokens[i].mate)
            i = tokens[i].mate + 1
        elif t == ';':
            yield Statement(tokens, start, i, bare, tokens[start].at)
            i = start = i + 1
            bare = False
        else:
            i += 1


def groups(tokens):
    """Parentheses that only group, or hold a condition, and have a comma in them; not those of a for-header, of a
    fold, of a macro that does nothing with its arguments, or handed to a macro as a list."""
    inside_macro = set()
    i = -1
    while i + 1 < len(tokens):
        i += 1
        t = tokens[i]
        if t.text != '(' or t.mate is None:
            continue
        if i and tokens[i - 1].text.isupper():
            inside_macro.update(k for k in range(i + 1, t.mate) if tokens[k - 1].text in '(,')
        if i in inside_macro or [x.text for x in tokens[i + 1:i + 4]] == ['(', 'void', ')']:
            continue
        if (i and tokens[i - 1].text == 'for') or ''.join(x.text for x in tokens[t.mate - 3:t.mate]) == '...':
            i = t.mate
            continue
        b = tokens[i - 1] if i else Token(';', 0)
        condition = b.text in ('if', 'while', 'switch', 'return')
        if t.mate == i + 1:
            continue
        if (condition or not (is_word(b) or b.text in (')', ']', '>', '>>>'))) and not (
                b.text == '(' and i > 1 and tokens[i - 2].text == '__attribute__'):
            inside = commas(tokens, i + 1, t.mate)
            if inside:
                yield tokens[inside[0]].at


def macro_bodies(text):
    """(body, where it begins) of every #define; the directives are blanked in the text that is left."""
    bodies = []

    def take(m):
        head = re.match(r'[ \t]*#[ \t]*define[ \t]+\w+(\([^)]*\))?', m.group())
        if head:
            bodies.append((re.sub(r'\\\n', ' \n', m.group()[head.end():]), m.start() + head.end()))
        return re.sub(r'[^\n]', ' ', m.group())

    rest = re.sub(r'(?m)^[ \t]*#(?:[^\n\\]|\\\n|\\.)*', take, text)
    return rest, bodies


def looks_done(tokens, first, last):
    """An expression that assigns, which no list of arguments does; a list of initialisers does begin with a dot."""
    return (any(t.text in ('=', '+=', '-=', '*=', '++', '--') for t in tokens[first:last])
            and not any(tokens[i + 1].text == '.' for i in [first - 1] + commas(tokens, first, last)))


def find(text):
    """Positions of the comma operators of a file, and its comma statements."""
    rest, bodies = macro_bodies(NOISE.sub(blank, text))
    tokens = tokenise(rest)
    places, comma_statements = list(groups(tokens)), []
    for s in statements(tokens, 0, len(tokens)):
        if not is_declaration(tokens, s.first, s.last) and commas(tokens, s.first, s.last):
            comma_statements.append(s)
            places.append(s.at)
    for body, at in bodies:
        tokens = tokenise(body)
        places += [at + p for p in groups(tokens)]
        tokens.append(Token(';', len(body)))
        for s in statements(tokens, 0, len(tokens)):
            if (not is_declaration(tokens, s.first, s.last) and commas(tokens, s.first, s.last)
                    and looks_done(tokens, s.first, s.last)):
                places.append(at + s.at)
    return sorted(set(places)), comma_statements


BAD = ['free(a), free(b);', 'if (x) a = 1, b = 2;', 'else n++, m++;', 'return free(a), b;', 'x = (f(), 1);',
       'while (a, b) c();', '*p = 1, q = 2;', 'for (;;) a(), b();', 'case 1: a(), b(); break;', 'do a(), b(); while (c);',
       '#define M(x) (f(x), g(x))', '#define M(x) do { f(x), g(x) = 1; } while (0)', 's->a = 1, s->b = 2;',
       'done:\n  free(a), free(b);', 'if (q) {\n  b();\n  c(), d();\n}', 'x = c ? (a(), b) : d;', 'a[i]++, b[i]++;']
GOOD = ['int a, b;', 'f(a, b);', 'const float *p, *q = 0;', 'bl_x *a, *b;', 'for (a = 0, b = 1; a < b; a++, b--) f();',
        'int a[] = {1, 2};', 'x = (bl_v){1, 2};', 'enum { A, B };', '// free(a), free(b);', '/* a(), b(); */', 'f("a(), b();");',
        'void (*f)(int, int) = g;', '#define LIST a, b', '#define ROW(x) {#x, x}, {"y", 1}', 'return f(a, b);',
        '#define FLAG(a, b) .name = (a), .at = (b)', '#define TEXT(a) FLAG(a, 1), .letter = (a)',
        '#define D(s) k->s = deferred<TYPED(s), -1>::record', '((f(a), ...));', 'CALL(f, (int a, int b), (a, b));', '#define NOTHING(a, b) ((void)(a), (void)(b))',
         '((f(a), b += 1), ...);',
        'for (int i = 0; i < n && ((e = f(i)), true); i++) g();', '#define A f(); /* x \\\n y */ \\\n int a, b = 1;',
        "c = ',';", 'BL_TRY(f(a, b));', 'k<float, 4><<<g, b, 0, s>>>(x, y);', 'size_t n, m = 2;',
        'for (int i = 0, j = 1; i < j; i++, j--) {\n  f(i, j);\n}', 'int (*x)[3], y;', 'g(&(bl_v){.a = 1, .b = 2});',
        '__attribute__((noinline, cold)) void f(void);', 'return (bl_v){a, b};', 'struct s { int a, b; } x, y;']


def selftest():
    wrong = []
    for lines, wanted in ((BAD, True), (GOOD, False)):
        for line in lines:
            text = line if line.startswith('#') else 'void f(void)\n{\n%s\n}\n' % line
            if bool(find(text)[0]) != wanted:
                wrong.append('%s: %s' % ('not found' if wanted else 'refused, but is fine', line))
    print('\n'.join(wrong) or '%d planted, %d innocent: all told apart' % (len(BAD), len(GOOD)))
    return bool(wrong)


def main(names):
    count = 0
    for name in names:
        with open(name, encoding='utf-8') as f:
            text = f.read()
        for at in find(text)[0]:
            count += 1
            print('%s:%d: comma operator outside of a for-header: write one statement a line'
                  % (name, text.count('\n', 0, at) + 1))
    print('%d files: %s' % (len(names), '%d comma operators' % count if count else 'no comma operator'))
    return count > 0 or not names


if __name__ == '__main__':
    sys.exit(selftest() if sys.argv[1:] == ['--selftest'] else main(sys.argv[1:]))
