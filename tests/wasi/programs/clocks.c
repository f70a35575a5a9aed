// Reads the clocks, sleeps for as many milliseconds as the first argument says, reads them again.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long long read_clock(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        perror("clock_gettime");
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int argc, char **argv) {
    long milliseconds = argc > 1 ? atol(argv[1]) : 0;
    struct timespec resolution;
    clock_getres(CLOCK_MONOTONIC, &resolution);
    long long before = read_clock(CLOCK_MONOTONIC);
    printf("realtime %lld\n", read_clock(CLOCK_REALTIME));
    printf("resolution %ld\n", resolution.tv_nsec);
    int result = usleep(milliseconds * 1000);
    printf("slept %d\n", result);
    printf("passed %lld\n", read_clock(CLOCK_MONOTONIC) - before);
    return 0;
}
