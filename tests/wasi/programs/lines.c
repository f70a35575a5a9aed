// Prints as many numbered lines as the first argument says, and how printing ended.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 10;
    for (long line = 0; line < count; line++)
        if (printf("line %ld of %ld, and some more text\n", line, count) < 0) {
            fprintf(stderr, "printf: %s\n", strerror(errno));
            return 3;
        }
    if (fflush(stdout) != 0) {
        fprintf(stderr, "fflush: %s\n", strerror(errno));
        return 3;
    }
    return 0;
}
