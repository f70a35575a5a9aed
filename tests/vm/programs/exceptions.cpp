// A C++ program with exceptions, and the few functions of a C++ runtime that `catch (...)` needs.
typedef unsigned long size_t;
extern "C" {
void *_ZTIi, *_ZTId;
static char heap[1 << 16];
static size_t used;
static int live;
static void *current[64];
static int nested;
void *__cxa_allocate_exception(size_t size) { void *p = heap + used; used = (used + size + 15) & ~15ul; live++; return p; }
__attribute__((noreturn)) void __cxa_throw(void *exception, void *, void *) { __builtin_wasm_throw(0, exception); }
void *__cxa_begin_catch(void *exception) { return current[nested++] = exception; }
void __cxa_end_catch() { nested--; if (!nested) { used = 0; } live--; }
__attribute__((noreturn)) void __cxa_rethrow() { live++; __builtin_wasm_throw(0, current[nested - 1]); }
void _ZSt9terminatev() { __builtin_trap(); }
}
__asm__(".tagtype __cpp_exception i32\n.globl __cpp_exception\n__cpp_exception:\n");

struct Counter { int &count; int step; Counter(int &c, int s) : count(c), step(s) {} ~Counter() { count += step; } };

__attribute__((noinline)) static int depth(int n, int &count, double scale) {
  Counter counter{count, n};
  if (n == 0) throw 5;
  int result = depth(n - 1, count, scale * 2) + (int)scale;
  count -= 1000000;
  return result;
}
__attribute__((export_name("run"))) int run(int n) {
  int count = 0;
  int caught = 0;
  for (int i = 0; i < 10; i++) {
    Counter outer{count, 1};
    try {
      try { depth(n + i, count, 1.5); } catch (...) { caught++; if (i & 1) throw; }
    } catch (...) { caught += 100; continue; }
  }
  return caught * 100000 + count;
}
__attribute__((export_name("balance"))) int balance() { return live * 100 + nested; }
