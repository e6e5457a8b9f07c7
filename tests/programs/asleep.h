// To know that another task sleeps in the call that it announced, without sleeping oneself.
#ifndef ASLEEP_H
#define ASLEEP_H

#include <fcntl.h>
#include <sched.h>

#include "expect.h"

// The state letter of a task, from /proc/PID/task/TID/stat.
static char task_state(pid_t pid, pid_t tid) {
    char path[64], stat[512];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);
    if (n <= 0)
        die(path);
    close(fd);
    stat[n] = 0;
    return strrchr(stat, ')')[2];
}

// Wait until the task sleeps interruptibly. It must have announced itself before, so that
// the only sleep it can be in is the call in question.
static void wait_until_asleep(pid_t pid, pid_t tid) {
    while (task_state(pid, tid) != 'S')
        sched_yield();
}

#endif
