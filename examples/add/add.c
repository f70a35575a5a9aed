/* The smallest module there is: one function that takes and returns numbers. */

int add(int a, int b) { return a + b; }
