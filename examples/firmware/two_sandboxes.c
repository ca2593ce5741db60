/* Two sandboxes at once over HTTPS, from one loop that never waits, on a Cortex-M4 without an OS: what
   examples/poll_mode.c does with poll(2).

   The loop has work of its own each millisecond; here it only counts. Each call of osb_poll is
   timed, TLS handshakes included: how long the loop can be held up is printed at the end.
   Started with two arguments: the server's address, and the API key. */
#include "board.h"
#include "network.h"
#include "opensandbox.h"
#include "port/osb_lwip.h"
#include "tls.h"

enum { JOBS = 2 };

enum step { CREATE, RUN, KILL, DONE };

/* Everything that belongs to one sandbox. What a pending call was given must live until it ends. */
struct job {
    const char *name;
    enum step step;
    bool failed;
    unsigned char memory[2048];
    osb_lwip tcp;
    struct tls_connection tls;
    osb_client client;
    osb_create_options options;
    osb_command command;
    osb_handlers handlers;
    osb_sandbox box;
    osb_execution run;
    uint32_t lines, bytes;
};

static struct job jobs[JOBS];
static char domain[48];
static char api_key[48];

/* ---- the loop's own work ---------------------------------------------------------------------*/

static struct {
    uint32_t ms;      /* milliseconds worked off */
    uint32_t late_ms; /* the most that had to be made up for at once */
} own_work;

static void work_each_ms(void)
{
    uint32_t behind_ms = board_ms() - own_work.ms;
    if (own_work.late_ms < behind_ms) own_work.late_ms = behind_ms;
    for (; behind_ms > 0; behind_ms--) own_work.ms++;
}

/* ---- the sandboxes ---------------------------------------------------------------------------*/

static int print_line(void *user, const osb_event *event)
{
    struct job *job = user;
    job->bytes += event->text.size + (event->more ? 0 : 1);
    if (!event->more) job->lines++;
    if (job->lines > 4) return 0;
    print("%s: %s\n", job->name, event->text.data);
    return 0;
}

static void init(struct job *job, const char *name, const char *command)
{
    osb_config config = {
        .memory = job->memory,
        .memory_size = sizeof job->memory,
        .domain = domain,
        .api_key = api_key,
        .connect_timeout_ms = 30000, /* handshakes take seconds at 25 MHz */
        .use_server_proxy = true,    /* the sandboxes' own ports are out of a guest's reach */
    };
    osb_port port = osb_lwip_port(&job->tcp, NULL, NULL);
    job->tcp.random = board_random;
    job->tcp.unix_time = board_unix_time;
    config.port = tls_over(&job->tls, port, job != jobs ? &jobs[0].tls : NULL);
    job->name = name;
    job->options.image = "python:3.12";
    job->command.command = command;
    job->handlers.user = job;
    job->handlers.on_stdout = print_line;
    osb_client_init(&job->client, &config); /* if it fails, so does the first call, and says why */
}

/* Begins the call of the step that the job is at. */
static osb_status begin(struct job *job)
{
    switch (job->step) {
    case CREATE:
        return osb_sandbox_create(&job->client, &job->options, &job->box);
    case RUN:
        return osb_command_run(&job->box, &job->command, &job->handlers, &job->run);
    case KILL:
        return osb_sandbox_kill(&job->box);
    case DONE:
        break;
    }
    return OSB_OK;
}

static void end(struct job *job, osb_status status)
{
    static const char *const names[] = {"created", "ran", "killed", ""};
    char text[200];
    if (status < 0) {
        osb_error_text(&job->client, text, sizeof text);
        print("%s: %s\n", job->name, text);
        job->failed = true;
    } else {
        print("%s: %s\n", job->name, names[job->step]);
    }
    if (job->step == RUN) print("%s: %u lines, %u bytes\n", job->name, job->lines, job->bytes);
    if (status < 0 && job->step == CREATE) job->step = DONE; /* there is nothing to kill */
    else job->step = (enum step)(job->step + 1);
}

/* ---- the loop --------------------------------------------------------------------------------*/

/* The longest that the library kept the processor in one call, in cycles of its clock. */
static uint32_t longest_cycles;

static osb_status note_cycles(uint32_t from, osb_status status)
{
    uint32_t cycles = board_cycles() - from;
    if (longest_cycles < cycles) longest_cycles = cycles;
    return status;
}

/* Moves a job on by one call of osb_poll, and to its next step if one has ended. */
static void advance(struct job *job)
{
    uint32_t from = board_cycles();
    osb_status status = note_cycles(from, osb_poll(&job->client));
    while (status != OSB_PENDING && job->step != DONE) {
        end(job, status);
        from = board_cycles();
        status = note_cycles(from, begin(job));
    }
}

/* Whether a job has something to do at once, e.g. the next step of a handshake. */
static bool wanted(void)
{
    osb_wait wait = {.now = false};
    for (int i = 0; i < JOBS && !wait.now; i++) osb_want(&jobs[i].client, &wait);
    return wait.now;
}

static bool all_done(void)
{
    int i = 0;
    while (i < JOBS && jobs[i].step == DONE) i++;
    return i == JOBS;
}

static int run_loop(void)
{
    int i;
    while (!network_ready()) network_poll();
    print("address %s\n", network_address());
    own_work.ms = board_ms();
    for (i = 0; i < JOBS; i++) {
        uint32_t from = board_cycles();
        note_cycles(from, begin(&jobs[i]));
    }
    while (!all_done()) {
        bool any = network_poll();
        for (i = 0; i < JOBS; i++) {
            advance(&jobs[i]);
            work_each_ms();
        }
        if (!any && !wanted()) board_sleep();
    }
    return jobs[0].failed || jobs[1].failed;
}

int main(void)
{
    int failed;
    board_init();
    network_init();
    tls_init();
    print("MPS2 AN386, lwIP, mbedTLS\n");
    if (!board_argument(0, domain, sizeof domain) || !board_argument(1, api_key, sizeof api_key)) {
        print("arguments: ADDRESS API_KEY\n");
        return 2;
    }
    init(&jobs[0], "tick", "for i in 1 2 3 4; do echo tick $i; sleep 0.25; done");
    init(&jobs[1], "many", "seq -f %063.0f 4096");
    failed = run_loop();
    print("own work: %u ms counted, at most %u ms late\n", own_work.ms, own_work.late_ms);
    print("measured stack_peak_bytes %u\n", board_stack_peak());
    print("measured late_ms %u\n", own_work.late_ms);
    print("measured poll_cycles %u\n", longest_cycles);
    for (int i = 0; i < JOBS; i++)
        print("measured buffer_peak_bytes %u\n", osb_buffer_peak(&jobs[i].client));
    tls_report();
    print("%s\n", failed ? "FAILED" : "all steps done");
    return failed;
}
