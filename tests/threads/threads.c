/* Threads, under ThreadSanitizer: clients on threads of their own share nothing; osb_cancel() comes
   from another thread or a signal handler. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include "tests/faults/client.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static uint64_t real_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* ---- clients that share nothing --------------------------------------------------------------*/

enum { THREADS = 8, ROUNDS = 25 };

static const route running[] = {
    {"POST /execd/command",
     1,
     UINT32_MAX,
     {ANSWER(200, "{\"type\":\"init\",\"text\":\"0a1b\"}\n\n"
                  "{\"type\":\"stdout\",\"text\":\"hello\"}\n\n"
                  "{\"type\":\"execution_complete\",\"execution_time\":7}\n\n"),
      DONE}},
    {NULL, 0, 0, {DONE}},
};

/* A thread with a client and a server of its own; the results are looked at after it has ended:
   cmocka's asserts are not for threads. */
typedef struct worker {
    pthread_t thread;
    unsigned number;
    unsigned good;  /* rounds in which everything was as it should */
    size_t open;    /* connections left behind */
    unsigned lines; /* handed out */
} worker;

static int count_hello(void *user, const osb_event *event)
{
    worker *w = (worker *)user;
    if (osb_str_equal(event->text, "hello")) w->lines++;
    return 0;
}

/* One sandbox: created, used, described, refused something, killed. */
static bool work_once(worker *w, fixture *f)
{
    osb_create_options create;
    osb_handlers handlers;
    osb_command command;
    osb_sandbox_info info;
    char text[256];
    memset(&create, 0, sizeof create);
    memset(&handlers, 0, sizeof handlers);
    memset(&command, 0, sizeof command);
    create.image = "a:1";
    command.command = "echo hello";
    handlers.user = w;
    handlers.on_stdout = count_hello;
    f->server->routes = running;
    f->waited_ms = 0;
    if (fixture_finish(f, osb_sandbox_create(&f->client, &create, &f->box)) != OSB_OK) return false;
    if (fixture_finish(f, osb_command_run(&f->box, &command, &handlers, &f->run)) != OSB_OK)
        return false;
    if (fixture_finish(f, osb_lifecycle_get(&f->client, "7f", NULL, &info)) != OSB_OK) return false;
    if (!osb_str_equal(info.id, "7f")) return false;
    if (fixture_finish(f, osb_lifecycle_get(&f->client, "", NULL, &info)) != OSB_E_INVALID)
        return false;
    if (osb_error_text(&f->client, text, sizeof text) == 0) return false;
    return fixture_finish(f, osb_sandbox_kill(&f->box)) == OSB_OK;
}

static void *work(void *argument)
{
    worker *w = (worker *)argument;
    unsigned i;
    for (i = 0; i < ROUNDS; i++) {
        const variant *v = &variants[(w->number + i) % VARIANTS];
        fixture f;
        server s;
        server_open(&s, &f.clock_ms);
        fixture_open(&f, &s, v);
        if (work_once(w, &f)) w->good++;
        w->open += fixture_close_all(&f);
        server_close(&s);
    }
    return NULL;
}

static void share_nothing(void **state)
{
    static worker workers[THREADS];
    unsigned i;
    (void)state;
    for (i = 0; i < THREADS; i++) {
        workers[i].number = i;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].good, ROUNDS);
        assert_int_equal(workers[i].lines, ROUNDS);
        assert_int_equal(workers[i].open, 0);
    }
}

/* ---- cancelling ------------------------------------------------------------------------------*/

/* A client in front of a server that takes the request and never answers. */
typedef struct silence {
    osb_posix tcp;
    osb_client client;
    unsigned char memory[1024];
    char domain[40];
    int listener;
    osb_status status;
} silence;

static void silence_begin(silence *s, bool poll_mode)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    osb_config config;
    memset(s, 0, sizeof *s);
    memset(&address, 0, sizeof address);
    memset(&config, 0, sizeof config);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(s->listener, 16), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
    snprintf(s->domain, sizeof s->domain, "127.0.0.1:%u", ntohs(address.sin_port));
    config.port = osb_posix_port(&s->tcp);
    config.memory = s->memory;
    config.memory_size = sizeof s->memory;
    config.domain = s->domain;
    config.poll_mode = poll_mode;
    assert_int_equal(osb_client_init(&s->client, &config), OSB_OK);
}

static void silence_end(silence *s)
{
    osb_client_close(&s->client);
    close(s->listener);
}

/* Makes a call to its end, in a loop of its own if need be. */
static osb_status ask(silence *s)
{
    osb_status status = osb_server_health(&s->client);
    while (status == OSB_PENDING) {
        struct pollfd fds[OSB_POSIX_ADDRESSES];
        osb_wait wait;
        int timeout_ms = 20; /* how soon this loop looks whether it is cancelled */
        size_t count;
        osb_want(&s->client, &wait);
        count = osb_posix_pollfds(&s->tcp, &wait, fds, &timeout_ms);
        poll(fds, (nfds_t)count, timeout_ms);
        status = osb_poll(&s->client);
    }
    return status;
}

static void *ask_on_thread(void *argument)
{
    silence *s = (silence *)argument;
    s->status = ask(s);
    return NULL;
}

static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) != 0) {
    }
}

/* The call ends soon after osb_cancel() from here, and the client can be used again. */
static void cancel_from_another_thread(void **state)
{
    int mode;
    (void)state;
    for (mode = 0; mode < 2; mode++) {
        uint64_t cancelled_ms;
        pthread_t thread;
        silence s;
        int again;
        silence_begin(&s, mode == 1);
        for (again = 0; again < 3; again++) {
            assert_int_equal(pthread_create(&thread, NULL, ask_on_thread, &s), 0);
            sleep_ms(150);
            cancelled_ms = real_ms();
            osb_cancel(&s.client);
            assert_int_equal(pthread_join(thread, NULL), 0);
            assert_int_equal(s.status, OSB_E_CANCELLED);
            assert_in_range(real_ms() - cancelled_ms, 0, 2000);
        }
        silence_end(&s);
    }
}

static silence *to_cancel;
static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    signals++;
    osb_cancel(&to_cancel->client);
}

static void on_signal_count(int number)
{
    (void)number;
    signals++;
}

static void alarm_in(long first_us, long every_us, void (*handler)(int))
{
    struct itimerval timer = {{0, every_us}, {0, first_us}};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler; /* no SA_RESTART: calls of the system are interrupted */
    signals = 0;
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void cancel_from_a_signal_handler(void **state)
{
    int mode;
    (void)state;
    for (mode = 0; mode < 2; mode++) {
        uint64_t begun_ms = real_ms();
        silence s;
        silence_begin(&s, mode == 1);
        to_cancel = &s;
        alarm_in(100000, 0, on_signal);
        assert_int_equal(ask(&s), OSB_E_CANCELLED);
        assert_int_equal(signals, 1);
        assert_in_range(real_ms() - begun_ms, 100, 3000);
        silence_end(&s);
    }
}

/* Signals that want nothing do not disturb: neither connecting, nor sending, nor receiving. */
static void signals_all_the_time(void **state)
{
    worker w;
    (void)state;
    memset(&w, 0, sizeof w);
    alarm_in(500, 500, on_signal_count);
    work(&w);
    while (signals < 10) sleep_ms(1);
    alarm_in(0, 0, SIG_IGN);
    assert_int_equal(w.good, ROUNDS);
    assert_int_equal(w.open, 0);
}

/* ---- cancelling at any time ------------------------------------------------------------------*/

typedef struct canceller {
    pthread_t thread;
    osb_client *client;
    bool stop; /* atomic */
    unsigned cancels;
} canceller;

static void *cancel_on_and_on(void *argument)
{
    canceller *c = (canceller *)argument;
    unsigned random = 1;
    while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
        struct timespec time = {0, 0};
        random = random * 1664525u + 1013904223u;
        time.tv_nsec = (long)(random >> 8) % 400000;
        nanosleep(&time, NULL);
        osb_cancel(c->client);
        c->cancels++;
    }
    return NULL;
}

/* Whatever the moment is: a call is done, or it is cancelled, and the next one can be made. */
static void cancel_at_any_time(void **state)
{
    unsigned done = 0, cancelled = 0, i;
    canceller c;
    fixture f;
    server s;
    (void)state;
    memset(&c, 0, sizeof c);
    server_open(&s, &f.clock_ms);
    fixture_open(&f, &s, &variants[0]);
    c.client = &f.client;
    assert_int_equal(pthread_create(&c.thread, NULL, cancel_on_and_on, &c), 0);
    for (i = 0; i < 3000 || ((done == 0 || cancelled == 0) && i < 100000); i++) {
        osb_status status = osb_lifecycle_get(&f.client, "7f", NULL, &f.info);
        f.waited_ms = 0;
        assert_true(status == OSB_OK || status == OSB_E_CANCELLED);
        if (status == OSB_OK) done++;
        else cancelled++;
    }
    __atomic_store_n(&c.stop, true, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(c.thread, NULL), 0);
    assert_true(done > 0);
    assert_true(cancelled > 0);
    osb_lifecycle_get(&f.client, "7f", NULL, &f.info); /* may take the last cancel */
    assert_true(fixture_works(&f, "80"));
    assert_int_equal(fixture_close_all(&f), 0);
    server_close(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(share_nothing),
        cmocka_unit_test(cancel_from_another_thread),
        cmocka_unit_test(cancel_from_a_signal_handler),
        cmocka_unit_test(signals_all_the_time),
        cmocka_unit_test(cancel_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
