/* A shared library that the target loads at run time and is called back by. */
__attribute__((noinline)) static int inner(int (*call)(void)) {
    int result = call();
    __asm__ volatile("");
    return result + 1;
}

int plugin_run(int (*call)(void)) {
    int result = inner(call);
    __asm__ volatile("");
    return result * 2;
}
