/* A plug-in that may behave badly: it can stop only itself. */

static volatile int depth;

/* Behaves: the sum of the numbers up to count. */
int total(int count) {
    int sum = 0;
    for (int i = 1; i <= count; i++)
        sum += i;
    return sum;
}

/* Reads one byte anywhere; past the end of the memory that is out of bounds. */
int peek(const volatile unsigned char *address) { return *address; }

int divide(int a, int b) { return a / b; }

/* Runs out of stack for any n but a few: every call waits for the next one's result. */
int recurse(int n) {
    if (n == 0)
        return 0;
    int below = recurse(n - 1);
    depth = n;
    return below + depth;
}

void give_up(void) { __builtin_trap(); }
