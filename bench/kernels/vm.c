/* A stack machine running a sieve n times: one switch in a loop, br_table with poor prediction. */
#include "kernel.h"

typedef enum {
    PUSH,
    GET,
    SET,
    ADD,
    MULTIPLY,
    LESS,
    LOAD,
    STORE,
    JUMP,
    JUMP_IF_ZERO,
    HALT,
} Op;

enum { CELLS = 1024, COUNTER = 0, STEP = 1, TOTAL = 2 };

static i32 code[128], cells[CELLS];
static u32 code_size;

static u32 emit(Op op, i32 operand) {
    code[code_size] = op;
    code[code_size + 1] = operand;
    code_size += 2;
    return code_size - 1;
}

/* while (cell-index local < CELLS): returns the operand to patch with the loop's end. */
static u32 emit_while_below(u32 local) {
    emit(GET, (i32)local);
    emit(PUSH, CELLS);
    emit(LESS, 0);
    return emit(JUMP_IF_ZERO, 0);
}

static void emit_increase(u32 local) {
    emit(ADD, 0);
    emit(SET, (i32)local);
}

/* for (step = 2; step < CELLS; step++) if (!cells[step]) { total += step; mark multiples } */
static void assemble(void) {
    code_size = 0;
    emit(PUSH, 2);
    emit(SET, STEP);
    u32 outer = code_size, outer_end = emit_while_below(STEP);
    emit(GET, STEP);
    emit(LOAD, 0);
    emit(PUSH, 1);
    emit(LESS, 0);
    u32 skip = emit(JUMP_IF_ZERO, 0);
    emit(GET, TOTAL), emit(PUSH, 3), emit(MULTIPLY, 0), emit(GET, STEP), emit_increase(TOTAL);
    emit(GET, STEP), emit(GET, STEP), emit_increase(COUNTER);
    u32 inner = code_size, inner_end = emit_while_below(COUNTER);
    emit(GET, COUNTER), emit(PUSH, 1), emit(STORE, 0);
    emit(GET, COUNTER), emit(GET, STEP), emit_increase(COUNTER);
    emit(JUMP, (i32)inner);
    code[skip] = code[inner_end] = (i32)code_size;
    emit(GET, STEP), emit(PUSH, 1), emit_increase(STEP);
    emit(JUMP, (i32)outer);
    code[outer_end] = (i32)code_size;
    emit(HALT, 0);
}

static NOINLINE void execute(i32 locals[4]) {
    i32 stack[16], *top = stack;
    for (const i32 *pc = code;;) {
        i32 op = pc[0], operand = pc[1];
        pc += 2;
        switch ((Op)op) {
        case PUSH: *top++ = operand; break;
        case GET: *top++ = locals[operand]; break;
        case SET: locals[operand] = *--top; break;
        case ADD: top--, top[-1] = (i32)((u32)top[-1] + (u32)top[0]); break;
        case MULTIPLY: top--, top[-1] = (i32)((u32)top[-1] * (u32)top[0]); break;
        case LESS: top--, top[-1] = top[-1] < top[0]; break;
        case LOAD: top[-1] = cells[top[-1]]; break;
        case STORE: top -= 2, cells[top[0]] = top[1]; break;
        case JUMP: pc = code + operand; break;
        case JUMP_IF_ZERO: if (*--top == 0) pc = code + operand; break;
        case HALT: return;
        }
    }
}

u64 EXPORT(run)(u32 n) {
    u64 sum = 0;
    assemble();
    for (u32 i = 0; i < n; i++) {
        i32 locals[4] = {0, 0, (i32)i, 0};
        fill_bytes(cells, 0, sizeof cells);
        execute(locals);
        sum = fold(sum, (u32)locals[TOTAL]);
    }
    return sum;
}
