/* A queue simulation of n events: a binary heap ordered by time, handlers by function pointer. */
#include "kernel.h"

enum { PENDING = 256, STATIONS = 16 };

typedef struct Event Event;
typedef Event (*Handler)(Event event);

struct Event {
    u64 time;
    u32 station, customer;
    Handler handler;
};

static Event queue[PENDING + 1];
static u32 queued, waiting[STATIONS];
static u64 random, served, lost;

static void push(Event event) {
    u32 hole = queued++;
    for (; hole > 0 && queue[(hole - 1) / 2].time > event.time; hole = (hole - 1) / 2)
        queue[hole] = queue[(hole - 1) / 2];
    queue[hole] = event;
}

static Event pop(void) {
    Event first = queue[0], last = queue[--queued];
    u32 hole = 0;
    for (u32 child; (child = 2 * hole + 1) < queued; hole = child) {
        if (child + 1 < queued && queue[child + 1].time < queue[child].time)
            child++;
        if (queue[child].time >= last.time)
            break;
        queue[hole] = queue[child];
    }
    queue[hole] = last;
    return first;
}

static Event after(Event event, u32 delay, u32 station, Handler handler) {
    u64 time = event.time + 1 + random_below(&random, delay);
    return (Event){time, station % STATIONS, event.customer, handler};
}

static Event arrive(Event event);

static Event leave(Event event) {
    served++;
    event.customer = event.customer * 1664525 + 1013904223;
    return after(event, 1000, event.customer >> 20, arrive);
}

static Event finish(Event event) {
    waiting[event.station]--;
    if (event.customer & 64)
        return after(event, 50, event.station + 1, arrive);
    return after(event, 20, event.station, leave);
}

static Event give_up(Event event) {
    lost++;
    return after(event, 300, event.station + 3, arrive);
}

static Event arrive(Event event) {
    event.customer = event.customer * 22695477 + 1;
    if (waiting[event.station] > 24)
        return after(event, 10, event.station, give_up);
    u32 line = ++waiting[event.station];
    return after(event, 100 * line, event.station, finish);
}

u64 EXPORT(run)(u32 n) {
    u64 sum = 0;
    random = 109, served = lost = 0, queued = 0;
    fill_bytes(waiting, 0, sizeof waiting);
    for (u32 i = 0; i < PENDING; i++)
        push((Event){random_below(&random, 1000), i % STATIONS, i, arrive});
    for (u32 i = 0; i < n; i++) {
        Event event = pop();
        sum += event.time ^ event.station;
        push(event.handler(event));
    }
    return fold(fold(fold(sum, served), lost), queue[0].time);
}
