// Says what the three standard streams are, and what cannot be done with them.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *outcome(long result) { return result < 0 ? strerror(errno) : "done"; }

int main(void) {
    for (int stream = 0; stream < 4; stream++) {
        struct stat status;
        int found = fstat(stream, &status);
        printf("%d: fstat %s", stream, outcome(found));
        if (found == 0)
            printf(", %s", S_ISREG(status.st_mode) ? "file" : S_ISCHR(status.st_mode) ? "device" : "other");
        printf(", terminal %s", isatty(stream) ? "yes" : strerror(errno));
        printf(", seek %s\n", outcome(lseek(stream, 0, SEEK_CUR)));
    }
    printf("open %s\n", outcome(open("/etc/passwd", O_RDONLY)));
    struct pollfd wait[2] = {{.fd = 0, .events = POLLIN}, {.fd = 1, .events = POLLOUT}};
    int ready = poll(wait, 2, 10);
    printf("poll %d: %d %d\n", ready, !!(wait[0].revents & POLLIN), !!(wait[1].revents & POLLOUT));
    fflush(stdout);
    printf("close %s\n", outcome(close(2)));
    printf("write %s\n", outcome(write(2, "x", 1)));
    printf("read from output %s\n", outcome(read(1, &wait, 1)));
    fflush(stdout);
    close(1);
    return puts("never seen") < 0 || fflush(stdout) != 0 ? 4 : 0;
}
