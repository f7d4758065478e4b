/* A machine whose wall clock is two hours off: loaded before libc, it answers for it. Durations stay as they are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/time.h>
#include <time.h>

#define BEHIND_S 7200

int clock_gettime(clockid_t which, struct timespec *at) {
    static int (*asked)(clockid_t, struct timespec *);
    if (!asked) asked = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int code = asked(which, at);
    if (!code && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) at->tv_sec -= BEHIND_S;
    return code;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

/* Waits until a moment of the wall clock would be over at once; a moment of the other clock is a far smaller number. */

static struct timespec truly(const struct timespec *until) {
    struct timespec moment = *until;
    if (moment.tv_sec > 1000000000) moment.tv_sec += BEHIND_S;
    return moment;
}

int sem_timedwait(sem_t *restrict what, const struct timespec *restrict until) {
    static int (*asked)(sem_t *, const struct timespec *);
    if (!asked) asked = (int (*)(sem_t *, const struct timespec *))dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec moment = truly(until);
    return asked(what, &moment);
}

typedef int (*wait_t)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

int pthread_cond_timedwait(pthread_cond_t *restrict what, pthread_mutex_t *restrict lock,
                           const struct timespec *restrict until) {
    static wait_t asked; /* the older of two versions knows other conditions */
    if (!asked) asked = (wait_t)dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!asked) asked = (wait_t)dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec moment = truly(until);
    return asked(what, lock, &moment);
}
