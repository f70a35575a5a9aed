// Ends in the way the first argument says: return N, exit N, _Exit N, trap or abort.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void farewell(void) { puts("farewell"); }

int main(int argc, char **argv) {
    const char *way = argc > 1 ? argv[1] : "return";
    int code = argc > 2 ? atoi(argv[2]) : 0;
    atexit(farewell);
    printf("ending: %s\n", way);
    if (!strcmp(way, "exit"))
        exit(code);
    if (!strcmp(way, "_Exit"))
        _Exit(code);
    if (!strcmp(way, "trap"))
        __builtin_trap();
    if (!strcmp(way, "abort"))
        abort();
    return code;
}
