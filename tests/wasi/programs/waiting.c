// Waits for standard input and for time: `waiting read`, `waiting sleep MS`, `waiting poll MS`,
// `waiting try` (without waiting), `waiting seek` (input that is a file).
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void report(const char *what, ssize_t result) {
    printf("%s: %zd %s\n", what, result, result < 0 ? strerror(errno) : "");
    fflush(stdout);
}

int main(int argc, char **argv) {
    char buffer[100];
    const char *mode = argc > 1 ? argv[1] : "read";
    int milliseconds = argc > 2 ? atoi(argv[2]) : -1;
    puts("waiting");
    fflush(stdout);
    if (strcmp(mode, "sleep") == 0) {
        report("sleep", usleep(milliseconds * 1000));
    } else if (strcmp(mode, "poll") == 0) {
        struct pollfd wait = {.fd = 0, .events = POLLIN};
        report("poll", poll(&wait, 1, milliseconds));
        printf("events: %d %d\n", !!(wait.revents & POLLIN), !!(wait.revents & POLLHUP));
    } else if (strcmp(mode, "try") == 0) {
        int available = -1;
        report("set", fcntl(0, F_SETFL, O_NONBLOCK));
        report("read", read(0, buffer, sizeof buffer));
        struct pollfd wait = {.fd = 0, .events = POLLIN};
        report("poll", poll(&wait, 1, -1));
        ioctl(0, FIONREAD, &available);
        report("available", available);
        report("read", read(0, buffer, sizeof buffer));
        report("terminal", isatty(0));
    } else if (strcmp(mode, "seek") == 0) {
        report("read", read(0, buffer, 4));
        report("tell", lseek(0, 0, SEEK_CUR));
        report("seek", lseek(0, -3, SEEK_END));
        report("read", read(0, buffer, sizeof buffer));
        report("seek", lseek(0, 2, SEEK_SET));
    } else {
        report("read", read(0, buffer, sizeof buffer));
    }
    return 0;
}
