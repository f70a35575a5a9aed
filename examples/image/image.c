/* Filters over an RGB image that the host puts into the module's memory: grey, then a box blur. */

typedef unsigned char u8;
typedef unsigned int u32;

enum { MAX_PIXELS = 1 << 20 };

static u8 rgb[3 * MAX_PIXELS], grey[MAX_PIXELS], blurred[MAX_PIXELS];

u32 capacity(void) { return MAX_PIXELS; }

u8 *pixels(void) { return rgb; }

/* The luma of every pixel, one byte each; returns where they are. */
u8 *to_grey(u32 count) {
    for (u32 i = 0; i < count; i++)
        grey[i] = (u8)((77 * rgb[3 * i] + 150 * rgb[3 * i + 1] + 29 * rgb[3 * i + 2]) >> 8);
    return grey;
}

/* The mean of the grey pixels up to radius away, fewer at the edges; returns where they are. */
u8 *blur(int width, int height, int radius) {
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            u32 sum = 0, count = 0;
            for (int v = y - radius; v <= y + radius; v++)
                for (int u = x - radius; u <= x + radius; u++)
                    if (u >= 0 && u < width && v >= 0 && v < height) {
                        sum += grey[v * width + u];
                        count++;
                    }
            blurred[y * width + x] = (u8)(sum / count);
        }
    return blurred;
}
