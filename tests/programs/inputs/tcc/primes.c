#include <stdio.h>
#include <string.h>

#define LIMIT 1000
static char composite[LIMIT];

int main(int argc, char **argv) {
    int count = 0;
    for (int i = 2; i < LIMIT; i++) {
        if (composite[i]) continue;
        count++;
        for (int j = i * i; j < LIMIT; j += i) composite[j] = 1;
    }
    printf("%d primes below %d, %s\n", count, LIMIT, argc > 1 ? argv[1] : "no arguments");
    return count == 168 ? 0 : 1;
}
