// What the test programs share: each prints one JSON line on stdout, saying what a tracer
// must find, before it does it. Before, because some are killed half-way; with a single
// write(2), which is part of the expectation wherever "write" is.
//
//   calls      by name, of the whole program and its descendants, x86-64 numbers: entered
//   errors     of these, failed by the kernel
//   traced     further ones that fail because a tracer is there
//   unfinished of these, never returned to the program
//   i386, x32  like calls, of the other ABIs
//   blocked    refused by the seccomp filter, not in calls
//   processes, threads, images   how many there are in all, the first ones included
//   exit_code, signal            how the program ends; exactly one of them is there
//
// Only what is fully determined is listed: not what the C library does at start, nor the
// futexes of a join. Counts come from named constants, primes, so that a wrong factor or a
// lost call cannot cancel out. Nothing sleeps to be in time: pipes, waitpid and joins order
// things. A program that cannot do what it announced exits with 99.
#ifndef EXPECT_H
#define EXPECT_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPECT_SIZE 4096

static char expect_line[EXPECT_SIZE];
static size_t expect_used;

__attribute__((noreturn, unused)) static void die(const char *what) {
    perror(what);
    _exit(99);
}

// Add to the line, printf-like; ' stands for " so that the JSON stays readable.
__attribute__((format(printf, 1, 2))) static void expect(const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(expect_line + expect_used, EXPECT_SIZE - expect_used, format, args);
    va_end(args);
    if (n < 0 || expect_used + n >= EXPECT_SIZE - 1)
        die("expect");
    for (char *c = expect_line + expect_used; *c; c++)
        if (*c == '\'')
            *c = '"';
    expect_used += n;
}

// Print the line with one write.
static void expect_print(void) {
    expect_line[expect_used++] = '\n';
    if (write(STDOUT_FILENO, expect_line, expect_used) != (ssize_t)expect_used)
        die("write");
}

// The number given as argument `index`, or else `fallback`.
__attribute__((unused)) static long argument(int argc, char **argv, int index, long fallback) {
    return argc > index ? strtol(argv[index], NULL, 10) : fallback;
}

// Call getppid `n` times: a call that cannot fail, and that no C library makes unasked.
__attribute__((unused)) static void call_getppid(long n) {
    for (long i = 0; i < n; i++)
        syscall(SYS_getppid);
}

// fork, or die.
__attribute__((unused)) static pid_t must_fork(void) {
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    return pid;
}

// Wait for one child and require that it exits with 0.
__attribute__((unused)) static void must_reap(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid)
        die("waitpid");
    if (status != 0) {
        fprintf(stderr, "child %d: wait status %#x\n", pid, status);
        _exit(99);
    }
}

__attribute__((unused)) static void must_pipe(int ends[2]) {
    if (pipe(ends) < 0)
        die("pipe");
}

// Block until every writer of the pipe is gone. Not by read(2), which some programs count.
__attribute__((unused)) static void wait_for_close(int fd) {
    struct pollfd end = {.fd = fd};
    while (poll(&end, 1, -1) < 0)
        if (errno != EINTR)
            die("poll");
}

#endif
