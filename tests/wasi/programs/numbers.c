// Prints numbers of every kind, and reads one of each back.
#include <math.h>
#include <stdint.h>
#include <stdio.h>

int main(void) {
    double tenth = 0.1;
    printf("%d %u %lld %#x %o\n", -1, 4000000000u, INT64_MIN, 48879, 8);
    printf("%f %.17g %e %g %a\n", 3.141592653589793, tenth, 6.02214076e23, 1e-7, 1.5);
    printf("%f %f %f %g\n", INFINITY, -INFINITY, NAN, -0.0);
    printf("[%8.3f] [%-8s] [%08d] [%+d] [%c] [%%]\n", 2.71828, "left", 42, 7, 'x');
    printf("%.10f %.10f %.10f\n", sin(1), exp(1), sqrt(2));
    int integer;
    double number;
    char word[8];
    int count = sscanf("17 2.5e3 word", "%d %lf %7s", &integer, &number, word);
    printf("%d: %d %g %s\n", count, integer, number, word);
    return 0;
}
