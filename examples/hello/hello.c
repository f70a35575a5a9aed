/* An ordinary C program, compiled for WASI: arguments, environment, standard input, exit code. */

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    const char *name = getenv("USER_NAME");
    int lines = 0, bytes = 0;
    printf("Hello, %s!\n", name ? name : "whoever you are");
    for (int i = 0; i < argc; i++)
        printf("argv[%d] = %s\n", i, argv[i]);
    for (int byte; (byte = getchar()) != EOF; bytes++)
        lines += byte == '\n';
    printf("stdin: %d lines, %d bytes\n", lines, bytes);
    if (lines == 0)
        fputs("hello: nothing on stdin\n", stderr);
    return lines == 0;
}
