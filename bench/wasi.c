// Measures WASI calls from inside: `wasi MEBIBYTES CALLS ENTRIES`, in a directory that may be
// written. Each line is what was done, how often, and the nanoseconds that all of it took.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void check(int good, const char *what) {
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void report(const char *name, long long count, long long start) {
    printf("%s %lld %lld\n", name, count, now() - start);
}

// The whole file in pieces of this size, written over pages that are in the cache, then read.
static void transfer(const char *name, char *buffer, size_t size, long long total) {
    char title[40];
    int file = open("data", O_RDWR);
    check(file >= 0, "open");
    long long start = now();
    for (long long done = 0; done < total; done += size)
        check(write(file, buffer, size) == (ssize_t)size, "write");
    snprintf(title, sizeof title, "write-%s", name);
    report(title, total, start);
    lseek(file, 0, SEEK_SET);
    start = now();
    for (long long done = 0; done < total; done += size)
        check(read(file, buffer, size) == (ssize_t)size, "read");
    snprintf(title, sizeof title, "read-%s", name);
    report(title, total, start);
    close(file);
}

static void small_calls(long calls) {
    char buffer[64] = {0};
    int file = open("small", O_RDWR | O_CREAT | O_TRUNC, 0600);
    check(file >= 0, "open");
    long long start = now();
    for (long i = 0; i < calls; i++)
        check(write(file, buffer, sizeof buffer) == sizeof buffer, "write");
    report("fd_write", calls, start);
    lseek(file, 0, SEEK_SET);
    start = now();
    for (long i = 0; i < calls; i++)
        check(read(file, buffer, sizeof buffer) == sizeof buffer, "read");
    report("fd_read", calls, start);
    start = now();
    for (long i = 0; i < calls; i++)
        lseek(file, i, SEEK_SET);
    report("fd_seek", calls, start);
    close(file);
    start = now();
    struct timespec time;
    for (long i = 0; i < calls; i++)
        clock_gettime(CLOCK_MONOTONIC, &time);
    report("clock_time_get", calls, start);
    start = now();
    for (long i = 0; i < calls / 10; i++)
        check(close(open("small", O_RDONLY)) == 0, "open and close");
    report("path_open+fd_close", calls / 10, start);
    struct stat status;
    start = now();
    for (long i = 0; i < calls / 10; i++)
        check(stat("small", &status) == 0, "stat");
    report("path_filestat_get", calls / 10, start);
}

static void directory(long entries) {
    char name[40];
    check(mkdir("many", 0700) == 0, "mkdir");
    long long start = now();
    for (long i = 0; i < entries; i++) {
        snprintf(name, sizeof name, "many/%ld", i);
        close(open(name, O_WRONLY | O_CREAT, 0600));
    }
    report("files-created", entries, start);
    start = now();
    DIR *many = opendir("many");
    long found = 0;
    while (readdir(many))
        found++;
    closedir(many);
    check(found == entries + 2, "readdir");
    report("fd_readdir-entries", entries, start);
}

int main(int argc, char **argv) {
    long long total = atoll(argc > 1 ? argv[1] : "1024") << 20;
    char *buffer = calloc(1, 16 << 20);
    int file = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600);
    check(file >= 0 && buffer, "open");
    for (long long done = 0; done < total; done += 1 << 20)
        check(write(file, buffer, 1 << 20) == 1 << 20, "write");
    close(file);
    transfer("64K", buffer, 64 << 10, total);
    transfer("1M", buffer, 1 << 20, total);
    transfer("16M", buffer, 16 << 20, total);
    unlink("data");
    small_calls(argc > 2 ? atol(argv[2]) : 200000);
    directory(argc > 3 ? atol(argv[3]) : 100000);
    return 0;
}
