/* n rays among spheres over a floor, up to four bounces: f64 vectors, square roots, branches. */
#include "kernel.h"

enum { SPHERES = 8, BOUNCES = 4, WIDTH = 160 };

typedef struct {
    f64 x, y, z;
} Vector;

typedef struct {
    Vector centre;
    f64 radius, shine, light;
} Sphere;

static Sphere spheres[SPHERES];

static Vector add(Vector a, Vector b) { return (Vector){a.x + b.x, a.y + b.y, a.z + b.z}; }
static Vector scale(Vector a, f64 by) { return (Vector){a.x * by, a.y * by, a.z * by}; }
static f64 dot(Vector a, Vector b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static Vector unit(Vector a) { return scale(a, 1 / __builtin_sqrt(dot(a, a))); }

/* How far along the ray the sphere is, or 0 for a miss. */
static f64 distance(const Sphere *sphere, Vector origin, Vector direction) {
    Vector offset = add(sphere->centre, scale(origin, -1));
    f64 along = dot(offset, direction);
    f64 square = sphere->radius * sphere->radius - dot(offset, offset) + along * along;
    if (square < 0)
        return 0;
    f64 near = along - __builtin_sqrt(square);
    return near > 1e-6 ? near : 0;
}

static f64 sky(Vector origin, Vector direction) {
    if (direction.y >= -1e-3)
        return 0.3 + 0.7 * direction.y;
    f64 t = -(origin.y + 2) / direction.y;
    f64 x = origin.x + t * direction.x, z = origin.z + t * direction.z;
    i32 tile = (i32)__builtin_floor(x) ^ (i32)__builtin_floor(z);
    return tile & 1 ? 0.9 : 0.1;
}

static f64 trace(Vector origin, Vector direction) {
    f64 strength = 1, light = 0;
    for (u32 bounce = 0; bounce < BOUNCES; bounce++) {
        const Sphere *hit = NULL;
        f64 nearest = 1e30;
        for (u32 i = 0; i < SPHERES; i++) {
            f64 far = distance(&spheres[i], origin, direction);
            if (far > 0 && far < nearest) {
                nearest = far;
                hit = &spheres[i];
            }
        }
        if (hit == NULL)
            return light + strength * sky(origin, direction);
        origin = add(origin, scale(direction, nearest));
        Vector normal = unit(add(origin, scale(hit->centre, -1)));
        light += strength * hit->light * (0.5 + 0.5 * normal.y);
        strength *= hit->shine;
        direction = unit(add(direction, scale(normal, -2 * dot(direction, normal))));
    }
    return light;
}

u64 EXPORT(run)(u32 n) {
    u64 random = 131, sum = 0;
    for (u32 i = 0; i < SPHERES; i++) {
        Vector centre = {4 * random_f64(&random) - 2, 3 * random_f64(&random) - 1.5,
                         4 + 4 * random_f64(&random)};
        f64 radius = 0.4 + 0.5 * random_f64(&random), shine = 0.3 + 0.6 * random_f64(&random);
        spheres[i] = (Sphere){centre, radius, shine, random_f64(&random)};
    }
    for (u32 i = 0; i < n; i++) {
        u32 pixel = i * 7919u % (WIDTH * WIDTH);
        f64 x = (f64)(pixel % WIDTH) / WIDTH - 0.5, y = 0.5 - (f64)(pixel / WIDTH) / WIDTH;
        sum = fold_f64(sum, trace((Vector){0, 0, 0}, unit((Vector){x, y, 1})));
    }
    return sum;
}
