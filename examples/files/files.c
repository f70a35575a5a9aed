// A WASI program: counts the words of all files in /in, and writes a table to /out.
//
// It knows nothing of who runs it, nor where the two directories are. What it tries besides fails:
// writing to /in, which was given to it for reading, and leaving it.

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long count_words(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return -1;
    }
    long words = 0;
    int within = 0;
    for (int byte; (byte = fgetc(file)) != EOF;) {
        int letter = !isspace(byte);
        words += letter && !within;
        within = letter;
    }
    fclose(file);
    return words;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_names(const char *directory, char **names, int capacity) {
    DIR *listing = opendir(directory);
    if (!listing) {
        perror(directory);
        exit(1);
    }
    int count = 0;
    for (struct dirent *entry; (entry = readdir(listing)) && count < capacity;) {
        if (entry->d_name[0] != '.') {
            names[count++] = strdup(entry->d_name);
        }
    }
    closedir(listing);
    qsort(names, count, sizeof *names, by_name);
    return count;
}

static void try_to_open(const char *path, const char *mode) {
    FILE *file = fopen(path, mode);
    printf("%s: %s\n", path, file ? "opened" : strerror(errno));
    if (file) {
        fclose(file);
    }
}

int main(void) {
    static char *names[100];
    int count = list_names("/in", names, 100);
    FILE *table = fopen("/out/words.csv", "w");
    if (!table) {
        perror("/out/words.csv");
        return 1;
    }
    for (int number = 0; number < count; number++) {
        char path[300];
        snprintf(path, sizeof path, "/in/%s", names[number]);
        fprintf(table, "%s,%ld\n", names[number], count_words(path));
    }
    fclose(table);
    printf("%d files\n", count);

    try_to_open("/in/new.txt", "w");
    try_to_open("/in/../files.py", "r");
    try_to_open("/etc/passwd", "r");
    return 0;
}
