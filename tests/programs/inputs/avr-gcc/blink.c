/* Compiled to assembly, assembled, linked and turned into Intel HEX. */
typedef unsigned char byte;
#define PORTB (*(volatile byte *)0x25)
#define DDRB (*(volatile byte *)0x24)

static const byte pattern[8] = {1, 3, 7, 15, 31, 63, 127, 255};

static unsigned long mix(unsigned long x) {
  x ^= x << 13;
  x ^= x >> 17;
  return x ^ (x << 5);
}

int main(void) {
  unsigned long state = 2463534242UL;
  DDRB = 0xff;
  for (;;) {
    state = mix(state);
    PORTB = pattern[state % 7u] + (byte)(state / 1000u);
    for (volatile unsigned i = 0; i < 30000; i++) {
    }
  }
}
