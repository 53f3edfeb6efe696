#include <string.h>

#include "core/schema.h"

enum { LONGEST = 64 };

static int min3(int a, int b, int c) {
    int m = a < b ? a : b;
    return m < c ? m : c;
}

/* Damerau-Levenshtein distance with adjacent transpositions (the "optimal string alignment" form);
 * names longer than LONGEST count as far away. */
static int distance(const char *a, const char *b) {
    int n = (int)strnlen(a, LONGEST + 1), m = (int)strnlen(b, LONGEST + 1);
    if (n > LONGEST || m > LONGEST) return LONGEST;
    int rows[3][LONGEST + 1];
    for (int j = 0; j <= m; j++) rows[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            row[j] = min3(up[j] + 1, row[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                up2[j - 2] + 1 < row[j]) {
                row[j] = up2[j - 2] + 1;
            }
        }
    }
    return rows[n % 3][m];
}

static size_t common_prefix(const char *a, const char *b) {
    size_t n = 0;
    while (a[n] && a[n] == b[n]) n++;
    return n;
}

const char *bl_did_you_mean(const char *word, const char *const *names) {
    const char *best = NULL;
    /* Two edits turn any two-letter word into any other, so short words get fewer. */
    size_t length = strlen(word);
    int best_distance = length <= 1 ? 1 : length <= 3 ? 2 : 3;
    for (int i = 0; names[i]; i++) {
        int d = distance(word, names[i]);
        if (d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    if (best) return best;
    size_t longest = 2;
    for (int i = 0; names[i]; i++) {
        size_t n = common_prefix(word, names[i]);
        if (n > longest) {
            longest = n;
            best = names[i];
        }
    }
    return best;
}
