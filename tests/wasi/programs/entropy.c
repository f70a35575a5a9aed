// Prints random bytes in hexadecimal, as many as the first argument says.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    unsigned count = argc > 1 ? atoi(argv[1]) : 8;
    unsigned char *bytes = malloc(count);
    for (unsigned done = 0; done < count; done += 256)
        if (getentropy(bytes + done, count - done < 256 ? count - done : 256) != 0)
            return 1;
    for (unsigned i = 0; i < count; i++)
        printf("%02x", bytes[i]);
    puts("");
    return 0;
}
