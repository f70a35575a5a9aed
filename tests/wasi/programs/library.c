// A reactor: no main, a constructor that counts, and functions for the host.
#include <stdio.h>

static int constructed;

__attribute__((constructor)) static void construct(void) { constructed++; }

__attribute__((export_name("constructed"))) int get_constructed(void) { return constructed; }

__attribute__((export_name("greet"))) int greet(int number) {
    int count = printf("hello %d\n", number);
    fflush(stdout);
    return count;
}
