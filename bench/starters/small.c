// The small program: about 10 kB. Counts and sorts the words of a text.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char text[] = "the quick brown fox jumps over the lazy dog, and the dog does not mind";

struct entry {
    char *word;
    int count;
};

static int compare(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    return x->count != y->count ? y->count - x->count : strcmp(x->word, y->word);
}

static int find(struct entry *entries, int used, const char *word) {
    int i = 0;
    while (i < used && strcmp(entries[i].word, word))
        i++;
    return i;
}

int main(void) {
    struct entry entries[64];
    int used = 0;
    char *copy = strdup(text);
    for (char *word = strtok(copy, " ,"); word; word = strtok(NULL, " ,")) {
        int i = find(entries, used, word);
        if (i == used)
            entries[used++] = (struct entry){strdup(word), 0};
        entries[i].count++;
    }
    qsort(entries, used, sizeof *entries, compare);
    for (int i = 0; i < used; i++) {
        fputs(entries[i].word, stdout);
        putchar(' ');
        putchar('0' + entries[i].count);
        putchar('\n');
    }
    free(copy);
    return 0;
}
