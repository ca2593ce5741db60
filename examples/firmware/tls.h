/* TLS for the images: mbedTLS, whose memory is an arena, and the authority that they trust. */
#ifndef TLS_H
#define TLS_H

#include "opensandbox.h"
#include "port/osb_mbedtls.h"

/* A connection with TLS, with a stopwatch for its handshakes: yours needs only an osb_mbedtls. */
struct tls_connection {
    osb_mbedtls tls; /* the first member: the port's context */
    const osb_port_ops *tls_ops;
    osb_port_ops ops;
    uint32_t cycles, step_cycles, from_ms; /* of the handshake under way */
};

/* Gives mbedTLS its arena; once, before anything else. */
void tls_init(void);

/* Makes a port with TLS of one without. share: the first connection if there are several, whose
   settings this one has too; else NULL. */
osb_port tls_over(struct tls_connection *connection, osb_port inner, struct tls_connection *share);

/* Prints what the handshakes took, and how much of the arena was used. */
void tls_report(void);

#endif
