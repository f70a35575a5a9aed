// Copies standard input to standard output and reports on standard error how much that was.
#include <stdio.h>
#include <unistd.h>

static char buffer[65536];

int main(void) {
    unsigned long total = 0;
    ssize_t count;
    while ((count = read(0, buffer, sizeof buffer)) > 0) {
        for (ssize_t done = 0; done < count;) {
            ssize_t written = write(1, buffer + done, count - done);
            if (written < 0) {
                perror("write");
                return 1;
            }
            done += written;
        }
        total += count;
    }
    if (count < 0) {
        perror("read");
        return 2;
    }
    fprintf(stderr, "%lu bytes\n", total);
    return 0;
}
