/* Six bodies under gravity for n steps: f64 multiply-adds, square roots and divisions. */
#include "kernel.h"

enum { BODIES = 6 };

typedef struct {
    f64 x, y, z, vx, vy, vz, mass;
} Body;

static Body bodies[BODIES];

static void attract(f64 step) {
    for (u32 i = 0; i < BODIES; i++)
        for (u32 j = i + 1; j < BODIES; j++) {
            Body *a = &bodies[i], *b = &bodies[j];
            f64 dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            f64 square = dx * dx + dy * dy + dz * dz + 0.01;
            f64 pull = step / (square * __builtin_sqrt(square));
            a->vx -= dx * b->mass * pull, b->vx += dx * a->mass * pull;
            a->vy -= dy * b->mass * pull, b->vy += dy * a->mass * pull;
            a->vz -= dz * b->mass * pull, b->vz += dz * a->mass * pull;
        }
}

static void drift(f64 step) {
    for (u32 i = 0; i < BODIES; i++) {
        bodies[i].x += step * bodies[i].vx;
        bodies[i].y += step * bodies[i].vy;
        bodies[i].z += step * bodies[i].vz;
    }
}

u64 EXPORT(run)(u32 n) {
    u64 random = 79, sum = 0;
    for (u32 i = 0; i < BODIES; i++) {
        Body *body = &bodies[i];
        body->x = 10 * random_f64(&random) - 5, body->vx = random_f64(&random) - 0.5;
        body->y = 10 * random_f64(&random) - 5, body->vy = random_f64(&random) - 0.5;
        body->z = 10 * random_f64(&random) - 5, body->vz = random_f64(&random) - 0.5;
        body->mass = 0.1 + random_f64(&random);
    }
    for (u32 i = 0; i < n; i++) {
        attract(0.001);
        drift(0.001);
    }
    for (u32 i = 0; i < BODIES; i++) {
        sum = fold_f64(fold_f64(fold_f64(sum, bodies[i].x), bodies[i].y), bodies[i].z);
        sum = fold_f64(fold_f64(fold_f64(sum, bodies[i].vx), bodies[i].vy), bodies[i].vz);
    }
    return sum;
}
