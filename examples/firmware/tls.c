#include "tls.h"
#include "board.h"
#include "mbedtls/memory_buffer_alloc.h"
#include <string.h>

/* The authority that signs the server's certificate, in DER: `tls_ca`. Here it is made with the
   local server's certificate; yours comes with your server. */
#include "ca.h"

#define PAINT 0xa5u           /* what was never used still has it */
#define FIRST_BLOCK_BYTES 64u /* where mbedTLS notes that all is free */

/* What one call of osb_poll does of a curve's computation, with MBEDTLS_ECP_RESTARTABLE: 870,000
   instructions on a Cortex-M4. The least that has an effect: an inversion is not divided. */
#define ECP_OPS_A_STEP 100

/* All of mbedTLS's memory. */
static unsigned char tls_arena[TLS_ARENA_BYTES];

/* What handshakes took: whole ones, and resumed ones. */
static struct tls_handshakes {
    uint32_t count;
    uint32_t cycles;      /* work of the last one, without waiting */
    uint32_t step_cycles; /* the longest step of any */
    uint32_t duration_ms; /* of the last one, with waiting, from the connect on */
} tls_whole, tls_resumed;

void tls_init(void)
{
    mbedtls_memory_buffer_alloc_init(tls_arena, sizeof tls_arena);
    memset(tls_arena + FIRST_BLOCK_BYTES, PAINT, sizeof tls_arena - FIRST_BLOCK_BYTES);
}

static void note_handshake(const struct tls_connection *c)
{
    struct tls_handshakes *all = osb_mbedtls_resumed(&c->tls) ? &tls_resumed : &tls_whole;
    all->count++;
    all->cycles = c->cycles;
    all->duration_ms = board_ms() - c->from_ms;
    if (all->step_cycles < c->step_cycles) all->step_cycles = c->step_cycles;
}

/* The TLS port's connect with a stopwatch. */
static int timed_connect(void *ctx, const char *host, uint16_t port, bool secure)
{
    struct tls_connection *c = ctx;
    uint32_t from = board_cycles(), cycles;
    int io = c->tls_ops->connect(ctx, host, port, secure);
    cycles = board_cycles() - from;
    if (c->cycles == 0) c->from_ms = board_ms();
    c->cycles += cycles;
    if (c->step_cycles < cycles) c->step_cycles = cycles;
    if (io == OSB_IO_WANT_READ || io == OSB_IO_WANT_WRITE || io == OSB_IO_AGAIN) return io;
    if (io == 0) note_handshake(c);
    c->cycles = c->step_cycles = 0;
    return io;
}

osb_port tls_over(struct tls_connection *connection, osb_port inner, struct tls_connection *share)
{
    osb_mbedtls_options options = {
        .ca = tls_ca,
        .ca_size = sizeof tls_ca,
        .max_fragment_size = TLS_RECORD_BYTES <= 4096 ? TLS_RECORD_BYTES : 0,
        .ecp_max_ops = ECP_OPS_A_STEP,
        .share = share != NULL ? &share->tls : NULL,
    };
    osb_port port = osb_mbedtls_port(&connection->tls, inner, &options);
    connection->tls_ops = port.ops;
    connection->ops = *port.ops;
    connection->ops.connect = timed_connect;
    connection->cycles = connection->step_cycles = 0;
    port.ops = &connection->ops;
    return port;
}

static size_t arena_peak(void)
{
    size_t size = sizeof tls_arena;
    while (size > 0 && tls_arena[size - 1] == PAINT) size--;
    return size;
}

static void report_handshakes(const char *name, const struct tls_handshakes *handshakes)
{
    print("measured tls_%s_count %u\n", name, handshakes->count);
    print("measured tls_%s_cycles %u\n", name, handshakes->cycles);
    print("measured tls_%s_step_cycles %u\n", name, handshakes->step_cycles);
    print("measured tls_%s_ms %u\n", name, handshakes->duration_ms);
}

void tls_report(void)
{
    report_handshakes("whole", &tls_whole);
    report_handshakes("resumed", &tls_resumed);
    print("measured tls_arena_peak_bytes %u\n", arena_peak());
}
