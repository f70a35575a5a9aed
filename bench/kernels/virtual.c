/* n passes over 1024 shapes through a table of methods each: call_indirect in mixed order. */
#include "kernel.h"

enum { SHAPES = 1024 };

typedef struct Shape Shape;

typedef struct {
    f64 (*area)(const Shape *);
    void (*grow)(Shape *, f64);
    u32 (*corners)(const Shape *);
} Methods;

struct Shape {
    const Methods *methods;
    f64 a, b;
};

static f64 square_area(const Shape *s) { return s->a * s->a; }
static f64 oblong_area(const Shape *s) { return s->a * s->b; }
static f64 triangle_area(const Shape *s) { return 0.5 * s->a * s->b; }
static f64 ellipse_area(const Shape *s) { return 3.140625 * s->a * s->b; }

static void grow_a(Shape *s, f64 by) { s->a = s->a * by + 0.001; }
static void grow_b(Shape *s, f64 by) { s->b = s->b * by + 0.002; }
static void grow_both(Shape *s, f64 by) { s->a *= by, s->b = 1 / (1 + s->a); }

static u32 no_corners(const Shape *s) { return s->a > s->b; }
static u32 three_corners(const Shape *s) { return s->a < 0.5 ? 2 : 3; }
static u32 four_corners(const Shape *s) { return s->b < 0.5 ? 5 : 4; }

static const Methods KINDS[] = {
    {square_area, grow_a, four_corners},
    {oblong_area, grow_b, four_corners},
    {triangle_area, grow_both, three_corners},
    {ellipse_area, grow_b, no_corners},
};

u64 EXPORT(run)(u32 n) {
    static Shape shapes[SHAPES];
    u64 random = 107, corners = 0;
    f64 area = 0;
    for (u32 i = 0; i < SHAPES; i++)
        shapes[i] = (Shape){&KINDS[random_below(&random, COUNT(KINDS))], random_f64(&random),
                            random_f64(&random)};
    for (u32 round = 0; round < n; round++)
        for (u32 i = 0; i < SHAPES; i++) {
            Shape *shape = &shapes[i];
            area += shape->methods->area(shape);
            corners += shape->methods->corners(shape);
            shape->methods->grow(shape, round & 1 ? 0.99 : 1.01);
        }
    return fold_f64(fold(n, corners), area);
}
