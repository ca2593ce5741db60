/* osb_mbedtls.h - TLS for any port of opensandbox.h, by mbedTLS 2.28 or 3

   Do this:
      #define OPENSANDBOX_IMPLEMENTATION
      #include "opensandbox.h"
      #include "port/osb_posix.h"
      #include "port/osb_mbedtls.h"
   in *one* C or C++ file; in every other one include them without the define. Then:

      osb_posix           tcp;
      osb_mbedtls         tls;
      osb_mbedtls_options secure = {.ca_file = "ca.pem"};
      osb_config          config = {.port = osb_mbedtls_port(&tls, osb_posix_port(&tcp), &secure),
                                    .https = true};

   Link with -lmbedtls -lmbedx509 -lmbedcrypto.

   LICENSE: Apache-2.0, see the file LICENSE.

   WHAT IT DOES
      It is a port over a port: bytes, names, time and waiting come from the inner one, which needs
      no TLS itself. Connections that are asked for without TLS pass straight through. It blocks
      where the inner one blocks, and nowhere else.

   WHAT IS CHECKED
      TLS 1.2 and up (1.3 with mbedTLS 3.6.1 and up), forward secrecy, authenticated ciphers. The
      server's chain up to an authority of yours (or the system's), its host name or address, the
      dates, the purpose of the certificate; RSA keys of 2048 bits and up, curves of 224 and up,
      SHA-224 and up; your pins. Nothing switches these checks off. What failed stands in
      osb_error.port_text: "certificate expired on 2020-01-01", "name does not match
      api.example.com", "unknown authority".

      Dates need a clock: the inner port's unix_time, or MBEDTLS_HAVE_TIME_DATE, or both. With
      neither they are not checked. Revocation is not checked, nor are name constraints.

      A connection that ends without close_notify counts as broken: an answer whose length was
      known is whole nevertheless, one that lasts until the end is not.

   MEMORY
      The structs are yours, and no heap is used but mbedTLS's own, which may be an arena
      (MBEDTLS_MEMORY_BUFFER_ALLOC_C). Between two connections it holds the authorities, your own
      certificate and the last session. Keys and sessions are wiped when they are given back.

   BLOCKING AND POLL MODE
      A step of a handshake is one message. With MBEDTLS_ECP_RESTARTABLE the elliptic curves' part
      of it is cut again, see ecp_max_ops. Each step ends with OSB_IO_AGAIN: osb_poll returns, and
      osb_want says `now`.
*/
#ifndef OSB_MBEDTLS_H
#define OSB_MBEDTLS_H

#ifndef OPENSANDBOX_H
#include "opensandbox.h"
#endif
#include <mbedtls/version.h>

#if MBEDTLS_VERSION_NUMBER < 0x021c0000 || MBEDTLS_VERSION_NUMBER >= 0x04000000 ||                 \
    (MBEDTLS_VERSION_MAJOR == 3 && MBEDTLS_VERSION_NUMBER < 0x03020000)
#error "osb_mbedtls.h: needs mbedTLS 2.28, or 3.2 to 3.6"
#endif
#if !defined(MBEDTLS_SSL_CLI_C) || !defined(MBEDTLS_SSL_TLS_C) ||                                  \
    !defined(MBEDTLS_X509_CRT_PARSE_C) || !defined(MBEDTLS_SHA256_C)
#error "osb_mbedtls.h: needs MBEDTLS_SSL_CLI_C, _SSL_TLS_C, _X509_CRT_PARSE_C and _SHA256_C"
#endif
#if !defined(MBEDTLS_CTR_DRBG_C) && !defined(MBEDTLS_HMAC_DRBG_C)
#error "osb_mbedtls.h: needs MBEDTLS_CTR_DRBG_C or MBEDTLS_HMAC_DRBG_C"
#endif

#include <mbedtls/md.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#ifdef MBEDTLS_CTR_DRBG_C
#include <mbedtls/ctr_drbg.h>
#else
#include <mbedtls/hmac_drbg.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Room for the text of the last error. */
#ifndef OSB_MBEDTLS_TEXT_SIZE
#define OSB_MBEDTLS_TEXT_SIZE 160
#endif

/* ecp_max_ops if none is given: see mbedtls_ecp_set_max_ops. */
#ifndef OSB_MBEDTLS_ECP_MAX_OPS
#define OSB_MBEDTLS_ECP_MAX_OPS 250
#endif

/* A TLS connection over another port. Must not move while a client uses it. */
typedef struct osb_mbedtls osb_mbedtls;

/* All zero is the secure default: the system's authorities, no certificate of one's own. What the
   pointers point at must live as long as the port. */
typedef struct osb_mbedtls_options {
    /* Authorities to trust, all that are given together. A server's own certificate may be one.
       None: the system's bundle, where there are files; elsewhere at least one must be given.
       A damaged one in `ca` is an error; in files they are passed over while one is good. */
    const void *ca;           /* PEM, or one in DER */
    size_t ca_size;           /* its size in bytes, a PEM's with its NUL; 0: PEM, a C string */
    const char *ca_file;      /* PEM or DER */
    const char *ca_directory; /* every file in it */
    /* Our own certificate, with the chain up to its authority, and its key: from memory or files.
       Shown to servers that ask for one. */
    const void *certificate; /* as ca */
    size_t certificate_size;
    const char *certificate_file;
    const void *key;
    size_t key_size;
    const char *key_file;
    const char *key_password; /* NULL: the key is not encrypted */
    /* SHA-256 of the SubjectPublicKeyInfo (DER) of the servers that will do, 32 bytes each, beside
       all other checks. NULL: any. */
    const unsigned char (*pins)[32];
    size_t pin_count;
    /* Asks the server for records of at most 512, 1024, 2048 or 4096 bytes, for builds with small
       MBEDTLS_SSL_IN_CONTENT_LEN. 0: does not ask. A server may ignore it. Its certificates must
       fit into one record: mbedTLS, but for its latest versions, does not put them together. */
    uint16_t max_fragment_size;
    /* With MBEDTLS_ECP_RESTARTABLE: how much of a curve's computation one step of the handshake
       does; 0: OSB_MBEDTLS_ECP_MAX_OPS. mbedTLS has one such setting for all connections. */
    uint16_t ecp_max_ops;
    /* RSA keys of 1024 bits and up, curves of 192 and up and SHA-1 in certificates will do. */
    bool allow_weak_server_cert_key_lengths;
    /* Each connection has a whole handshake. */
    bool no_session_resumption;
    /* Authorities, certificate, pins and random numbers are those of this one, whose port was made
       before; the options above are ignored. It must outlive this one, and be used by the same
       thread. */
    osb_mbedtls *share;
} osb_mbedtls_options;

/* One connection. Must not move while a client uses it. */
struct osb_mbedtls {
    /* private */
    osb_mbedtls_options options;
    osb_port inner;
    osb_port_ops ops;
    osb_mbedtls *base;       /* whose settings these are: itself, or options.share */
    mbedtls_ssl_config conf; /* the settings; unused if shared, like all up to `drbg` */
    mbedtls_x509_crt ca, certificate;
    mbedtls_pk_context key;
#ifdef MBEDTLS_CTR_DRBG_C
    mbedtls_ctr_drbg_context drbg;
#else
    mbedtls_hmac_drbg_context drbg;
#endif
    unsigned char trust[32]; /* a digest of what the settings let in */
    bool prepared;
    uint8_t state;
    bool verified, resumed, broken; /* in this connection */
    bool has_session;
    const char *host; /* while it connects */
    int blocked;      /* what the inner port last answered, if not a count of bytes */
    size_t unsent;    /* size of a send that must come again */
    uint32_t flags;   /* what is wrong with the server's certificates, and more of it */
    mbedtls_x509_time bad_from, bad_to;
    size_t bad_bits;
    bool self_signed;
    uint32_t until_s;      /* when the first of the chain's certificates expires */
    unsigned char last[7]; /* received: perhaps an alert */
    mbedtls_ssl_context ssl;
    mbedtls_ssl_session session;
    unsigned char session_origin[32];
    uint32_t session_until_s;
    int32_t code; /* of the last failure, and its text */
    char text[OSB_MBEDTLS_TEXT_SIZE];
};

/* Makes a port with TLS of one without. Copies options, which may be NULL: all defaults. Does not
   work yet: settings are read by osb_mbedtls_prepare or the first connection. */
OSB_DEF osb_port osb_mbedtls_port(osb_mbedtls *tls, osb_port inner,
                                  const osb_mbedtls_options *options);

/* Reads the settings now: seeds the random numbers, parses authorities, certificate and key.
   Returns 0, or OSB_IO_FAILED: then the port's `error` says what is wrong with them. */
OSB_DEF int osb_mbedtls_prepare(osb_mbedtls *tls);

/* Ends the connection, wipes everything and gives all memory back. The port is of no more use. */
OSB_DEF void osb_mbedtls_free(osb_mbedtls *tls);

/* Whether the last connection resumed an earlier one's session instead of a whole handshake. */
OSB_DEF bool osb_mbedtls_resumed(const osb_mbedtls *tls);

/* Writes the last session to out, for osb_mbedtls_session_import after a restart. Returns its size
   in bytes; 0: there is none. If that is more than size, nothing is written. It holds secrets:
   whoever has it can read what it encrypts. */
OSB_DEF size_t osb_mbedtls_session_export(const osb_mbedtls *tls, void *out, size_t size);

/* Takes an exported session; the next connection to the same host and port offers it, if the
   settings are the same and no certificate has expired since. False: it is damaged, or of another
   build of mbedTLS; nothing is changed then. */
OSB_DEF bool osb_mbedtls_session_import(osb_mbedtls *tls, const void *data, size_t size);

#ifdef MBEDTLS_FS_IO
/* Fills in ca_file and ca_directory from the environment, SSL_CERT_FILE and SSL_CERT_DIR, where
   options has neither. The texts are the environment's own. */
OSB_DEF void osb_mbedtls_options_from_env(osb_mbedtls_options *options);
#endif

#ifdef __cplusplus
}
#endif

#endif /* OSB_MBEDTLS_H */

/* ==== implementation ==========================================================================*/

#ifdef OPENSANDBOX_IMPLEMENTATION
#ifndef OSB__MBEDTLS_IMPLEMENTED
#define OSB__MBEDTLS_IMPLEMENTED

#include <mbedtls/asn1.h>
#include <mbedtls/ecp.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <string.h>
#ifdef MBEDTLS_ENTROPY_C
#include <mbedtls/entropy.h>
#endif
#ifdef MBEDTLS_ERROR_C
#include <mbedtls/error.h>
#endif
#ifdef MBEDTLS_FS_IO
#include <stdlib.h>
#endif
#ifdef MBEDTLS_HAVE_TIME_DATE
#ifdef MBEDTLS_PLATFORM_C
#include <mbedtls/platform.h>
#else
#include <time.h>
#define OSB__MBEDTLS_TIME time
#endif
#ifndef OSB__MBEDTLS_TIME
#define OSB__MBEDTLS_TIME mbedtls_time
#endif
#endif
#if MBEDTLS_VERSION_MAJOR >= 3 &&                                                                  \
    (defined(MBEDTLS_USE_PSA_CRYPTO) || defined(MBEDTLS_SSL_PROTO_TLS1_3))
#define OSB__MBEDTLS_PSA
#include <psa/crypto.h>
#endif

#if MBEDTLS_VERSION_MAJOR < 3
#define OSB__MBEDTLS_BAD_VERSION MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION
#else
#define OSB__MBEDTLS_BAD_VERSION MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors ----------------------------------------------------------------------------------*/

/* Appends to the error's text; what does not fit is left out. */
static void osb__mbedtls_say(osb_mbedtls *tls, const char *text)
{
    size_t used = strlen(tls->text), size = strlen(text);
    if (size > sizeof tls->text - 1 - used) size = sizeof tls->text - 1 - used;
    memcpy(tls->text + used, text, size);
    tls->text[used + size] = '\0';
}

/* Appends a number with at least so many digits. */
static void osb__mbedtls_say_number(osb_mbedtls *tls, unsigned long number, unsigned base,
                                    unsigned digits)
{
    char text[24];
    size_t at = sizeof text - 1;
    text[at] = '\0';
    for (; number > 0 || digits > 0; number /= base) {
        text[--at] = "0123456789ABCDEF"[number % base];
        if (digits > 0) digits--;
    }
    osb__mbedtls_say(tls, text + at);
}

static void osb__mbedtls_say_date(osb_mbedtls *tls, const mbedtls_x509_time *date)
{
    osb__mbedtls_say_number(tls, (unsigned long)date->year, 10, 4);
    osb__mbedtls_say(tls, "-");
    osb__mbedtls_say_number(tls, (unsigned long)date->mon, 10, 2);
    osb__mbedtls_say(tls, "-");
    osb__mbedtls_say_number(tls, (unsigned long)date->day, 10, 2);
}

static int osb__mbedtls_fail(osb_mbedtls *tls, int code, const char *text)
{
    tls->code = code;
    tls->text[0] = '\0';
    tls->broken = true;
    osb__mbedtls_say(tls, text);
    return OSB_IO_FAILED;
}

/* Appends what mbedTLS calls an error. */
static void osb__mbedtls_say_code(osb_mbedtls *tls, int code)
{
#ifdef MBEDTLS_ERROR_C
    char text[100];
    mbedtls_strerror(code, text, sizeof text);
    osb__mbedtls_say(tls, text);
#else
    osb__mbedtls_say(tls, "mbedTLS error -0x");
    osb__mbedtls_say_number(tls, 0ul - (unsigned long)code, 16, 4);
#endif
}

/* A failure of the inner port, in its own words. */
static int osb__mbedtls_inner_failed(osb_mbedtls *tls, const char *where)
{
    const char *why = NULL;
    int32_t code = 0;
    if (tls->inner.ops->error != NULL) why = tls->inner.ops->error(tls->inner.ctx, &code);
    osb__mbedtls_fail(tls, 0, where);
    tls->code = code;
    osb__mbedtls_say(tls, why != NULL ? why : "connection broken");
    return OSB_IO_FAILED;
}

static const char *osb__mbedtls_error(void *ctx, int32_t *code)
{
    const osb_mbedtls *tls = (const osb_mbedtls *)ctx;
    *code = tls->code;
    return tls->text[0] != '\0' ? tls->text : NULL;
}

/* What a fatal alert means, in the words of whoever has to mend it. */
static const char *osb__mbedtls_alert(unsigned number)
{
    switch (number) {
    case 40:
        return "handshake failure (no common cipher, or a certificate is missing)";
    case 42:
        return "bad certificate";
    case 43:
        return "unsupported certificate";
    case 44:
        return "certificate revoked";
    case 45:
        return "certificate expired";
    case 46:
        return "certificate unknown";
    case 48:
        return "unknown authority";
    case 49:
        return "access denied";
    case 51:
        return "decrypt error";
    case 70:
        return "protocol version";
    case 71:
        return "insufficient security";
    case 80:
        return "internal error";
    case 112:
        return "unrecognized name";
    case 116:
        return "certificate required";
    case 120:
        return "no application protocol";
    default:
        return NULL;
    }
}

/* The server has refused us. Its reason was the last thing that came, if it was not encrypted. */
static void osb__mbedtls_say_alert(osb_mbedtls *tls)
{
    const unsigned char *record = tls->last;
    const char *text;
    osb__mbedtls_say(tls, "the server refuses");
    if (record[0] != 21 || record[1] != 3 || record[3] != 0 || record[4] != 2) return;
    text = osb__mbedtls_alert(record[6]);
    osb__mbedtls_say(tls, ": ");
    osb__mbedtls_say(tls, text != NULL ? text : "alert ");
    if (text == NULL) osb__mbedtls_say_number(tls, record[6], 10, 1);
}

static void osb__mbedtls_say_and(osb_mbedtls *tls, const char *text)
{
    if (tls->text[0] != '\0') osb__mbedtls_say(tls, ", ");
    osb__mbedtls_say(tls, text);
}

/* All that is wrong with the server's certificates. */
static void osb__mbedtls_say_flags(osb_mbedtls *tls)
{
    static const struct {
        uint32_t flags;
        const char *text;
    } reasons[] = {
        {MBEDTLS_X509_BADCERT_MISSING, "the server has no certificate"},
        {MBEDTLS_X509_BADCERT_BAD_MD, "certificate is signed with a weak hash"},
        {MBEDTLS_X509_BADCERT_BAD_PK, "certificate has a key of a kind that is not allowed"},
        {MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
             MBEDTLS_X509_BADCERT_NS_CERT_TYPE,
         "certificate is not one for servers"},
        {MBEDTLS_X509_BADCERT_OTHER, "key is none of the pinned ones"},
    };
    uint32_t flags = tls->flags;
    size_t i;
    if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0) {
        osb__mbedtls_say_and(tls, "unknown authority");
        if (tls->self_signed) osb__mbedtls_say(tls, " (self-signed certificate)");
    }
    if ((flags & MBEDTLS_X509_BADCERT_EXPIRED) != 0) {
        osb__mbedtls_say_and(tls, "certificate expired on ");
        osb__mbedtls_say_date(tls, &tls->bad_to);
    }
    if ((flags & MBEDTLS_X509_BADCERT_FUTURE) != 0) {
        osb__mbedtls_say_and(tls, "certificate is not valid before ");
        osb__mbedtls_say_date(tls, &tls->bad_from);
    }
    if ((flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) != 0) {
        osb__mbedtls_say_and(tls, "name does not match ");
        osb__mbedtls_say(tls, tls->host != NULL ? tls->host : "");
    }
    if ((flags & MBEDTLS_X509_BADCERT_BAD_KEY) != 0) {
        osb__mbedtls_say_and(tls, "certificate's key is too weak: ");
        osb__mbedtls_say_number(tls, tls->bad_bits, 10, 1);
        osb__mbedtls_say(tls, " bits");
    }
    for (i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if ((flags & reasons[i].flags) != 0) osb__mbedtls_say_and(tls, reasons[i].text);
    if (tls->text[0] == '\0') osb__mbedtls_say(tls, "certificate refused");
}

/* What was received is no record, or none that mbedTLS has room for. False: it is something else. */
static bool osb__mbedtls_say_record(osb_mbedtls *tls)
{
    const unsigned char *head = tls->last + 2; /* read by itself: kind, version, size */
    unsigned long size = (unsigned long)head[3] << 8 | head[4];
    if (head[0] < 20 || head[0] > 23) {
        osb__mbedtls_say(tls, "the server does not speak TLS");
        return true;
    }
    if (size <= MBEDTLS_SSL_IN_CONTENT_LEN) return false;
    osb__mbedtls_say(tls, "no room for a TLS record of ");
    osb__mbedtls_say_number(tls, size, 10, 1);
    osb__mbedtls_say(tls, " bytes: see max_fragment_size and MBEDTLS_SSL_IN_CONTENT_LEN");
    return true;
}

/* Appends the reason why mbedTLS gave up. */
static void osb__mbedtls_say_reason(osb_mbedtls *tls, int code)
{
    bool handshake = tls->host != NULL;
    if (tls->flags != 0) {
        osb__mbedtls_say_flags(tls);
    } else if (tls->blocked == OSB_IO_CLOSED) {
        osb__mbedtls_say(tls, handshake ? "connection closed in the TLS handshake"
                                        : "connection closed without close_notify");
    } else if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
        osb__mbedtls_say_alert(tls);
    } else if (code == OSB__MBEDTLS_BAD_VERSION) {
        osb__mbedtls_say(tls, "the server speaks no TLS 1.2");
    } else if (handshake && code == MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE) {
        osb__mbedtls_say(tls, "the server's certificates do not fit into one record: mbedTLS "
                              "needs a larger max_fragment_size");
    } else if ((code != MBEDTLS_ERR_SSL_INVALID_RECORD && code != MBEDTLS_ERR_SSL_BAD_INPUT_DATA) ||
               !osb__mbedtls_say_record(tls)) {
        osb__mbedtls_say(tls, handshake ? "TLS handshake: " : "TLS: ");
        osb__mbedtls_say_code(tls, code);
    }
}

/* A server that refuses us closes at once, and what we send next fails: its alert may have come. */
static bool osb__mbedtls_find_alert(osb_mbedtls *tls)
{
    size_t got = 0;
    while (got < sizeof tls->last) {
        int io = (tls->inner.ops->recv)(tls->inner.ctx, tls->last + got, sizeof tls->last - got);
        if (io <= 0) return false;
        got += (size_t)io;
    }
    return tls->last[0] == 21 && tls->last[4] == 2;
}

/* A failure of mbedTLS, or of the inner port behind it. */
static int osb__mbedtls_failed(osb_mbedtls *tls, int code)
{
    bool handshake = tls->host != NULL;
    if (tls->blocked == OSB_IO_FAILED && handshake && osb__mbedtls_find_alert(tls)) {
        tls->blocked = 0;
        code = MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE;
    }
    if (tls->blocked == OSB_IO_FAILED)
        return osb__mbedtls_inner_failed(tls, handshake ? "in the TLS handshake: " : "");
    if (tls->flags != 0) code = MBEDTLS_ERR_X509_CERT_VERIFY_FAILED;
    osb__mbedtls_fail(tls, code, "");
    osb__mbedtls_say_reason(tls, code);
    return OSB_IO_FAILED;
}

/* ---- random numbers --------------------------------------------------------------------------*/

#ifdef MBEDTLS_CTR_DRBG_C
#define OSB__MBEDTLS_DRBG(name) mbedtls_ctr_drbg_##name
#else
#define OSB__MBEDTLS_DRBG(name) mbedtls_hmac_drbg_##name
#endif

#ifdef MBEDTLS_ENTROPY_C
static int osb__mbedtls_inner_entropy(void *ctx, unsigned char *data, size_t size, size_t *got)
{
    const osb_port *inner = (const osb_port *)ctx;
    if (inner->ops->random(inner->ctx, data, size) != 0) return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
    *got = size;
    return 0;
}

/* mbedTLS's own sources, and the inner port's. */
static int osb__mbedtls_entropy(void *ctx, unsigned char *data, size_t size)
{
    osb_port *inner = &((osb_mbedtls *)ctx)->inner;
    mbedtls_entropy_context entropy;
    int code = 0;
    mbedtls_entropy_init(&entropy);
    if (inner->ops->random != NULL)
        code = mbedtls_entropy_add_source(&entropy, osb__mbedtls_inner_entropy, inner, 32,
                                          MBEDTLS_ENTROPY_SOURCE_STRONG);
    if (code == 0) code = mbedtls_entropy_func(&entropy, data, size);
    mbedtls_entropy_free(&entropy);
    return code;
}
#else
static int osb__mbedtls_entropy(void *ctx, unsigned char *data, size_t size)
{
    const osb_port *inner = &((osb_mbedtls *)ctx)->inner;
    if (inner->ops->random == NULL) return -1;
    return inner->ops->random(inner->ctx, data, size);
}
#endif

static int osb__mbedtls_seed(osb_mbedtls *tls)
{
    static const unsigned char purpose[] = "osb_mbedtls";
    int code;
    OSB__MBEDTLS_DRBG(init)(&tls->drbg);
#ifdef MBEDTLS_CTR_DRBG_C
    code = mbedtls_ctr_drbg_seed(&tls->drbg, osb__mbedtls_entropy, tls, purpose, sizeof purpose);
#else
    code = mbedtls_hmac_drbg_seed(&tls->drbg, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
                                  osb__mbedtls_entropy, tls, purpose, sizeof purpose);
#endif
    if (code == 0) return 0;
    return osb__mbedtls_fail(tls, code, "no random numbers: neither the port nor mbedTLS has any");
}

/* ---- settings --------------------------------------------------------------------------------*/

/* Adds to a digest. */
static void osb__mbedtls_absorb(unsigned char digest[32], const void *data, size_t size)
{
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    unsigned char both[64];
    memcpy(both, digest, 32);
    mbedtls_md(sha256, (const unsigned char *)data, size, both + 32);
    mbedtls_md(sha256, both, sizeof both, digest);
}

static void osb__mbedtls_absorb_chain(unsigned char digest[32], const mbedtls_x509_crt *crt)
{
    for (; crt != NULL && crt->raw.p != NULL; crt = crt->next)
        osb__mbedtls_absorb(digest, crt->raw.p, crt->raw.len);
}

/* Everything but the origin that decides whether a server is let in, and as whom it knows us: a
   session is good only where all of it is the same. */
static void osb__mbedtls_digest_trust(osb_mbedtls *tls)
{
    const osb_mbedtls_options *o = &tls->options;
    memset(tls->trust, 0, sizeof tls->trust);
    tls->trust[0] = o->allow_weak_server_cert_key_lengths;
    osb__mbedtls_absorb_chain(tls->trust, &tls->ca);
    osb__mbedtls_absorb(tls->trust, o->pins, o->pins != NULL ? o->pin_count * 32 : 0);
    osb__mbedtls_absorb_chain(tls->trust, &tls->certificate);
}

/* A setting cannot be read: which, and why. */
static int osb__mbedtls_bad(osb_mbedtls *tls, int code, const char *what, const char *name)
{
    osb__mbedtls_fail(tls, code, what);
    if (name != NULL) osb__mbedtls_say(tls, " ");
    if (name != NULL) osb__mbedtls_say(tls, name);
    osb__mbedtls_say(tls, ": ");
    osb__mbedtls_say_code(tls, code);
    return OSB_IO_FAILED;
}

/* A PEM's size counts its NUL. */
static size_t osb__mbedtls_size(const void *data, size_t size)
{
    return size > 0 ? size : strlen((const char *)data) + 1;
}

static int osb__mbedtls_read_ca(osb_mbedtls *tls)
{
    const osb_mbedtls_options *o = &tls->options;
    int code;
    if (o->ca == NULL) return 0;
    code = mbedtls_x509_crt_parse(&tls->ca, (const unsigned char *)o->ca,
                                  osb__mbedtls_size(o->ca, o->ca_size));
    if (code > 0) return osb__mbedtls_fail(tls, code, "ca: some of its certificates are damaged");
    return code == 0 ? 0 : osb__mbedtls_bad(tls, code, "ca", NULL);
}

#ifdef MBEDTLS_FS_IO
/* Where systems keep the authorities that they trust. */
#ifndef OSB_MBEDTLS_SYSTEM_CA
#define OSB_MBEDTLS_SYSTEM_CA                                                                      \
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",                      \
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem",             \
        "/etc/ssl/cert.pem", "/usr/local/share/certs/ca-root-nss.crt"
#endif

static int osb__mbedtls_read_system_ca(osb_mbedtls *tls)
{
    static const char *const bundles[] = {OSB_MBEDTLS_SYSTEM_CA};
    size_t i;
    for (i = 0; i < sizeof bundles / sizeof *bundles; i++)
        if (mbedtls_x509_crt_parse_file(&tls->ca, bundles[i]) >= 0) return 0;
    return osb__mbedtls_fail(tls, 0, "the system has no bundle of authorities; set ca or ca_file");
}

static int osb__mbedtls_read_ca_files(osb_mbedtls *tls)
{
    const osb_mbedtls_options *o = &tls->options;
    int code;
    if (o->ca == NULL && o->ca_file == NULL && o->ca_directory == NULL)
        return osb__mbedtls_read_system_ca(tls);
    if (o->ca_file != NULL) {
        code = mbedtls_x509_crt_parse_file(&tls->ca, o->ca_file);
        if (code < 0) return osb__mbedtls_bad(tls, code, "ca_file", o->ca_file);
    }
    if (o->ca_directory != NULL) {
        code = mbedtls_x509_crt_parse_path(&tls->ca, o->ca_directory);
        if (code < 0) return osb__mbedtls_bad(tls, code, "ca_directory", o->ca_directory);
    }
    if (tls->ca.raw.p == NULL)
        return osb__mbedtls_fail(tls, 0, "ca_directory has no certificate in it");
    return 0;
}
#else
static int osb__mbedtls_read_ca_files(osb_mbedtls *tls)
{
    if (tls->options.ca_file != NULL || tls->options.ca_directory != NULL)
        return osb__mbedtls_fail(tls, 0, "ca_file, ca_directory: mbedTLS has no MBEDTLS_FS_IO");
    if (tls->options.ca == NULL) return osb__mbedtls_fail(tls, 0, "no authority to trust: set ca");
    return 0;
}
#endif

static int osb__mbedtls_read_certificate(osb_mbedtls *tls)
{
    const osb_mbedtls_options *o = &tls->options;
    int code = 0;
    if (o->certificate != NULL)
        code = mbedtls_x509_crt_parse(&tls->certificate, (const unsigned char *)o->certificate,
                                      osb__mbedtls_size(o->certificate, o->certificate_size));
#ifdef MBEDTLS_FS_IO
    else if (o->certificate_file != NULL)
        code = mbedtls_x509_crt_parse_file(&tls->certificate, o->certificate_file);
#endif
    else return osb__mbedtls_fail(tls, 0, "there is a key, but no certificate");
    if (code > 0) return osb__mbedtls_fail(tls, code, "certificate: a part of it is damaged");
    return code == 0 ? 0 : osb__mbedtls_bad(tls, code, "certificate", o->certificate_file);
}

#if MBEDTLS_VERSION_MAJOR >= 3
#define OSB__MBEDTLS_RNG(tls) , OSB__MBEDTLS_DRBG(random), &(tls)->drbg
#else
#define OSB__MBEDTLS_RNG(tls)
#endif

static int osb__mbedtls_read_key(osb_mbedtls *tls)
{
    const osb_mbedtls_options *o = &tls->options;
    const unsigned char *password = (const unsigned char *)o->key_password;
    int code;
    if (o->key != NULL)
        code = mbedtls_pk_parse_key(&tls->key, (const unsigned char *)o->key,
                                    osb__mbedtls_size(o->key, o->key_size), password,
                                    password != NULL ? strlen(o->key_password)
                                                     : 0 //
                                        OSB__MBEDTLS_RNG(tls));
#ifdef MBEDTLS_FS_IO
    else if (o->key_file != NULL)
        code =
            mbedtls_pk_parse_keyfile(&tls->key, o->key_file, o->key_password OSB__MBEDTLS_RNG(tls));
#endif
    else return osb__mbedtls_fail(tls, 0, "there is a certificate, but no key");
    return code == 0 ? 0 : osb__mbedtls_bad(tls, code, "key", o->key_file);
}

/* Our own certificate and its key, if there is one. */
static int osb__mbedtls_read_own(osb_mbedtls *tls)
{
    const osb_mbedtls_options *o = &tls->options;
    int code;
    if (o->certificate == NULL && o->certificate_file == NULL && o->key == NULL &&
        o->key_file == NULL)
        return 0;
    if (osb__mbedtls_read_certificate(tls) != 0) return OSB_IO_FAILED;
    if (osb__mbedtls_read_key(tls) != 0) return OSB_IO_FAILED;
    code = mbedtls_pk_check_pair(&tls->certificate.pk, &tls->key OSB__MBEDTLS_RNG(tls));
    if (code != 0) return osb__mbedtls_fail(tls, code, "key is not the certificate's");
    code = mbedtls_ssl_conf_own_cert(&tls->conf, &tls->certificate, &tls->key);
    return code == 0 ? 0 : osb__mbedtls_bad(tls, code, "certificate", NULL);
}

/* What a certificate must be like: NIST SP 800-57 for 2030, and what it was before. */
static const mbedtls_x509_crt_profile *osb__mbedtls_profile(bool weak)
{
#define OSB__MBEDTLS_SHA2                                                                          \
    (MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA224) | MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) |           \
     MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) | MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512))
#define OSB__MBEDTLS_KEYS                                                                          \
    (MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSA) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSASSA_PSS) |          \
     MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA))
#define OSB__MBEDTLS_CURVES                                                                        \
    (MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP224R1) |                                              \
     MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) |                                              \
     MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1) |                                              \
     MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP521R1) |                                              \
     MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_BP256R1) | MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_BP384R1) | \
     MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_BP512R1) |                                                \
     MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP224K1) |                                              \
     MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256K1))
    static const mbedtls_x509_crt_profile strong = {OSB__MBEDTLS_SHA2, OSB__MBEDTLS_KEYS,
                                                    OSB__MBEDTLS_CURVES, 2048};
    static const mbedtls_x509_crt_profile lax = {
        OSB__MBEDTLS_SHA2 | MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA1), OSB__MBEDTLS_KEYS,
        OSB__MBEDTLS_CURVES | MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP192R1) |
            MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP192K1),
        1024};
    return weak ? &lax : &strong;
}

/* Forward secrecy and authenticated encryption only; mbedTLS passes over those it has not. */
static void osb__mbedtls_choose_ciphers(mbedtls_ssl_config *conf)
{
    static const int suites[] = {
#ifdef MBEDTLS_SSL_PROTO_TLS1_3
        MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
        MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
        MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
        MBEDTLS_TLS1_3_AES_128_CCM_SHA256,
#endif
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_CCM,
        0};
    mbedtls_ssl_conf_ciphersuites(conf, suites);
}

#if MBEDTLS_VERSION_MAJOR < 3
/* TLS 1.2 and up. What 3.x offers by itself is strong enough; 2.28 has to be told. */
static void osb__mbedtls_choose_versions(mbedtls_ssl_config *conf, bool small_records)
{
    static const int hashes[] = {
#ifdef MBEDTLS_SHA512_C
        MBEDTLS_MD_SHA512, MBEDTLS_MD_SHA384,
#endif
        MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA224, MBEDTLS_MD_NONE};
#ifdef MBEDTLS_ECP_C
    static const mbedtls_ecp_group_id curves[] = {
#ifdef MBEDTLS_ECP_DP_CURVE25519_ENABLED
        MBEDTLS_ECP_DP_CURVE25519,
#endif
#ifdef MBEDTLS_ECP_DP_SECP256R1_ENABLED
        MBEDTLS_ECP_DP_SECP256R1,
#endif
#ifdef MBEDTLS_ECP_DP_SECP384R1_ENABLED
        MBEDTLS_ECP_DP_SECP384R1,
#endif
#ifdef MBEDTLS_ECP_DP_SECP521R1_ENABLED
        MBEDTLS_ECP_DP_SECP521R1,
#endif
#ifdef MBEDTLS_ECP_DP_BP256R1_ENABLED
        MBEDTLS_ECP_DP_BP256R1,
#endif
#ifdef MBEDTLS_ECP_DP_SECP224R1_ENABLED
        MBEDTLS_ECP_DP_SECP224R1,
#endif
        MBEDTLS_ECP_DP_NONE};
    mbedtls_ssl_conf_curves(conf, curves);
#endif
    mbedtls_ssl_conf_sig_hashes(conf, hashes);
    mbedtls_ssl_conf_min_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    (void)small_records; /* there is no TLS 1.3 */
}
#else
/* Not TLS 1.3 where it leaves osb__mbedtls_verify out (before 3.6.1), nor with small records, which
   it asks for and then refuses. */
static void osb__mbedtls_choose_versions(mbedtls_ssl_config *conf, bool small_records)
{
#ifdef MBEDTLS_SSL_PROTO_TLS1_3
    /* PSS behind PKCS #1: 3.6.6 offers it, and refuses it from a server that has TLS 1.2 only. */
    static const uint16_t signatures[] = {
        MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
        MBEDTLS_TLS1_3_SIG_ECDSA_SECP521R1_SHA512, MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,
        MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,       MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,
        MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,
        MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,    MBEDTLS_TLS1_3_SIG_NONE};
    mbedtls_ssl_conf_sig_algs(conf, signatures);
#endif
    mbedtls_ssl_conf_min_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
    if (MBEDTLS_VERSION_NUMBER < 0x03060100 || small_records)
        mbedtls_ssl_conf_max_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
#if MBEDTLS_VERSION_NUMBER >= 0x03060100 && defined(MBEDTLS_SSL_PROTO_TLS1_3) &&                   \
    defined(MBEDTLS_SSL_SESSION_TICKETS)
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
}
#endif

static int osb__mbedtls_limit_records(osb_mbedtls *tls)
{
    uint16_t size = tls->options.max_fragment_size;
    int code = MBEDTLS_ERR_SSL_BAD_INPUT_DATA;
    if (size == 0) return 0;
#ifdef MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
    if (size == 512 || size == 1024 || size == 2048 || size == 4096) {
        unsigned char number = MBEDTLS_SSL_MAX_FRAG_LEN_512;
        for (; size > 512; size /= 2) number++;
        code = mbedtls_ssl_conf_max_frag_len(&tls->conf, number);
    }
    if (code == 0) return 0;
#endif
    return osb__mbedtls_fail(
        tls, code, "max_fragment_size is not 512, 1024, 2048 or 4096, or more than mbedTLS holds");
}

static int osb__mbedtls_configure(osb_mbedtls *tls)
{
    static const char *const protocols[] = {"http/1.1", NULL};
    mbedtls_ssl_config *conf = &tls->conf;
    int code = mbedtls_ssl_config_defaults(
        conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (code != 0) return osb__mbedtls_bad(tls, code, "TLS settings", NULL);
    osb__mbedtls_choose_versions(conf, tls->options.max_fragment_size != 0);
    osb__mbedtls_choose_ciphers(conf);
    mbedtls_ssl_conf_rng(conf, OSB__MBEDTLS_DRBG(random), &tls->drbg);
    mbedtls_ssl_conf_authmode(conf, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_cert_profile(
        conf, osb__mbedtls_profile(tls->options.allow_weak_server_cert_key_lengths));
    mbedtls_ssl_conf_ca_chain(conf, &tls->ca, NULL);
#ifdef MBEDTLS_SSL_ALPN
    code = mbedtls_ssl_conf_alpn_protocols(conf, (const char **)protocols);
    if (code != 0) return osb__mbedtls_bad(tls, code, "ALPN", NULL);
#else
    (void)protocols;
#endif
#ifdef MBEDTLS_ECP_RESTARTABLE
    mbedtls_ecp_set_max_ops(tls->options.ecp_max_ops > 0 ? tls->options.ecp_max_ops
                                                         : OSB_MBEDTLS_ECP_MAX_OPS);
#endif
    return osb__mbedtls_limit_records(tls);
}

static void osb__mbedtls_begin(osb_mbedtls *tls)
{
    mbedtls_ssl_config_init(&tls->conf);
    mbedtls_x509_crt_init(&tls->ca);
    mbedtls_x509_crt_init(&tls->certificate);
    mbedtls_pk_init(&tls->key);
    OSB__MBEDTLS_DRBG(init)(&tls->drbg);
}

static void osb__mbedtls_unprepare(osb_mbedtls *tls)
{
    mbedtls_ssl_config_free(&tls->conf);
    mbedtls_x509_crt_free(&tls->ca);
    mbedtls_x509_crt_free(&tls->certificate);
    mbedtls_pk_free(&tls->key);
    OSB__MBEDTLS_DRBG(free)(&tls->drbg);
    osb__mbedtls_begin(tls);
}

OSB_DEF int osb_mbedtls_prepare(osb_mbedtls *tls)
{
    static int (*const steps[])(osb_mbedtls *) = {
        osb__mbedtls_seed,          osb__mbedtls_configure, osb__mbedtls_read_ca,
        osb__mbedtls_read_ca_files, osb__mbedtls_read_own,
    };
    size_t i;
    if (tls->base != tls) return osb_mbedtls_prepare(tls->base);
    if (tls->prepared) return 0;
#ifdef OSB__MBEDTLS_PSA
    if (psa_crypto_init() != PSA_SUCCESS)
        return osb__mbedtls_fail(tls, 0, "psa_crypto_init failed");
#endif
    for (i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i](tls) == 0) continue;
        osb__mbedtls_unprepare(tls);
        return OSB_IO_FAILED;
    }
    osb__mbedtls_digest_trust(tls);
    tls->prepared = true;
    return 0;
}

/* ---- the server's certificates ---------------------------------------------------------------*/

/* Seconds since 1970, or 0: nobody knows. */
static uint32_t osb__mbedtls_now_s(const osb_mbedtls *tls)
{
    const osb_port_ops *ops = tls->inner.ops;
    uint32_t now_s = ops->unix_time != NULL ? ops->unix_time(tls->inner.ctx) : 0;
#ifdef MBEDTLS_HAVE_TIME_DATE
    if (now_s == 0) now_s = (uint32_t)OSB__MBEDTLS_TIME(NULL);
#endif
    return now_s;
}

/* A date as seconds since 1970; before that 0, beyond 2106 the last second of 32 bits. */
static uint32_t osb__mbedtls_seconds(const mbedtls_x509_time *t)
{
    int32_t year = t->mon <= 2 ? t->year - 1 : t->year,
            month = t->mon <= 2 ? t->mon + 9 : t->mon - 3;
    int32_t days =
        year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + t->day - 719469;
    if (t->year < 1970) return 0;
    if (t->year >= 2106) return 0xffffffffu;
    return (uint32_t)days * 86400u + (uint32_t)(t->hour * 3600 + t->min * 60 + t->sec);
}

/* Reads a number of up to four digits in a base. Returns its digits; 0: there is none. */
static size_t osb__mbedtls_digits(const char *text, unsigned base, unsigned *number)
{
    size_t n;
    *number = 0;
    for (n = 0; n < 4; n++) {
        char c = text[n];
        unsigned digit;
        if (c >= '0' && c <= '9') digit = (unsigned)(c - '0');
        else if (base == 16 && c >= 'a' && c <= 'f') digit = (unsigned)(c - 'a') + 10;
        else if (base == 16 && c >= 'A' && c <= 'F') digit = (unsigned)(c - 'A') + 10;
        else break;
        *number = *number * base + digit;
    }
    return n;
}

/* Four numbers with points at the text's end. */
static bool osb__mbedtls_ipv4(const char *text, unsigned char *address)
{
    size_t i;
    for (i = 0; i < 4; i++) {
        unsigned number;
        size_t n = osb__mbedtls_digits(text, 10, &number);
        if (n == 0 || number > 255) return false;
        address[i] = (unsigned char)number;
        text += n;
        if (*text++ != (i < 3 ? '.' : '\0')) return false;
    }
    return true;
}

/* Groups of four digits with colons; one "::" for as many zeroes as it takes. */
static bool osb__mbedtls_ipv6(const char *text, unsigned char *address)
{
    size_t at = 0, gap = 17; /* 17: none yet */
    if (text[0] == ':' && text[1] != ':') return false;
    if (text[0] == ':') text++;
    memset(address, 0, 16);
    for (;;) {
        unsigned group;
        size_t n;
        if (*text == ':') {
            if (gap != 17) return false;
            gap = at;
            text++;
            if (*text == '\0' || *text == '%') break;
        }
        if (at <= 12 && osb__mbedtls_ipv4(text, address + at)) {
            at += 4;
            break;
        }
        n = osb__mbedtls_digits(text, 16, &group);
        if (n == 0 || at == 16) return false;
        address[at++] = (unsigned char)(group >> 8);
        address[at++] = (unsigned char)(group & 255);
        text += n;
        if (*text == '\0' || *text == '%') break; /* a zone */
        if (*text++ != ':' || *text == '\0') return false;
    }
    if (gap == 17) return at == 16;
    if (at == 16) return false;
    memmove(address + 16 - (at - gap), address + gap, at - gap);
    memset(address + gap, 0, 16 - at);
    return true;
}

/* A literal address as bytes; returns how many. 0: it is a name. */
static size_t osb__mbedtls_literal(const char *host, unsigned char address[16])
{
    if (osb__mbedtls_ipv4(host, address)) return 4;
    return osb__mbedtls_ipv6(host, address) ? 16 : 0;
}

/* Whether a certificate is for this address. Addresses in its common name do not count. */
static bool osb__mbedtls_has_address(const mbedtls_x509_crt *crt, const unsigned char *address,
                                     size_t size)
{
    const mbedtls_x509_sequence *name;
    for (name = &crt->subject_alt_names; name != NULL; name = name->next)
        if (name->buf.tag == (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7) && name->buf.len == size &&
            memcmp(name->buf.p, address, size) == 0)
            return true;
    return false;
}

static bool osb__mbedtls_is_pinned(const osb_mbedtls_options *options, const mbedtls_x509_crt *crt)
{
    unsigned char digest[32];
    size_t i;
    if (options->pins == NULL) return true;
    mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), crt->pk_raw.p, crt->pk_raw.len,
               digest);
    for (i = 0; i < options->pin_count; i++)
        if (memcmp(options->pins[i], digest, sizeof digest) == 0) return true;
    return false;
}

/* What is wrong with the server's own certificate beyond what mbedTLS looks at. */
static uint32_t osb__mbedtls_check_server(osb_mbedtls *tls, const mbedtls_x509_crt *crt)
{
    unsigned char address[16];
    size_t size = osb__mbedtls_literal(tls->host, address);
    uint32_t flags = 0;
    if (size > 0 && !osb__mbedtls_has_address(crt, address, size))
        flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    if (!osb__mbedtls_is_pinned(&tls->base->options, crt)) flags |= MBEDTLS_X509_BADCERT_OTHER;
    return flags;
}

/* Notes the size of a key that is too short: mbedTLS tells of it with the certificate below. */
static void osb__mbedtls_look_at_key(osb_mbedtls *tls, const mbedtls_pk_context *key)
{
    bool weak = tls->base->options.allow_weak_server_cert_key_lengths;
    size_t bits = mbedtls_pk_get_bitlen(key), least = weak ? 192 : 224;
    if (mbedtls_pk_can_do(key, MBEDTLS_PK_RSA)) least = osb__mbedtls_profile(weak)->rsa_min_bitlen;
    if (bits < least) tls->bad_bits = bits;
}

/* mbedTLS shows each certificate of the chain, the server's last, with what it says against it. */
static int osb__mbedtls_verify(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    osb_mbedtls *tls = (osb_mbedtls *)ctx;
    uint32_t now_s = osb__mbedtls_now_s(tls), until_s = osb__mbedtls_seconds(&crt->valid_to);
    if (now_s != 0 && now_s > until_s) *flags |= MBEDTLS_X509_BADCERT_EXPIRED;
    if (now_s != 0 && now_s < osb__mbedtls_seconds(&crt->valid_from))
        *flags |= MBEDTLS_X509_BADCERT_FUTURE;
    if (depth == 0) *flags |= osb__mbedtls_check_server(tls, crt);
    if (depth == 0) tls->verified = true;
    if ((*flags & MBEDTLS_X509_BADCERT_EXPIRED) != 0) tls->bad_to = crt->valid_to;
    if ((*flags & MBEDTLS_X509_BADCERT_FUTURE) != 0) tls->bad_from = crt->valid_from;
    osb__mbedtls_look_at_key(tls, &crt->pk);
    if ((*flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0)
        tls->self_signed = depth == 0 && crt->issuer_raw.len == crt->subject_raw.len &&
                           memcmp(crt->issuer_raw.p, crt->subject_raw.p, crt->subject_raw.len) == 0;
    if (until_s < tls->until_s) tls->until_s = until_s;
    return 0;
}

/* ---- sessions --------------------------------------------------------------------------------*/

/* Where a session is good. */
static void osb__mbedtls_origin(const osb_mbedtls *tls, const char *host, uint16_t port,
                                unsigned char origin[32])
{
    unsigned char number[2];
    number[0] = (unsigned char)(port >> 8);
    number[1] = (unsigned char)(port & 255);
    memcpy(origin, tls->base->trust, 32);
    osb__mbedtls_absorb(origin, host, strlen(host));
    osb__mbedtls_absorb(origin, number, sizeof number);
}

static void osb__mbedtls_forget_session(osb_mbedtls *tls)
{
    mbedtls_ssl_session_free(&tls->session);
    mbedtls_ssl_session_init(&tls->session);
    tls->has_session = false;
}

/* Offers the last session to the server, if it is good there and no certificate has expired. */
static int osb__mbedtls_offer_session(osb_mbedtls *tls, const char *host, uint16_t port)
{
    unsigned char origin[32];
    int code;
    osb__mbedtls_origin(tls, host, port, origin);
    if (tls->has_session && (memcmp(origin, tls->session_origin, sizeof origin) != 0 ||
                             osb__mbedtls_now_s(tls) > tls->session_until_s))
        osb__mbedtls_forget_session(tls);
    memcpy(tls->session_origin, origin, sizeof origin);
    if (!tls->has_session) return 0;
    code = mbedtls_ssl_set_session(&tls->ssl, &tls->session);
    if (code != MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE && code != MBEDTLS_ERR_SSL_BAD_INPUT_DATA)
        return code;
    osb__mbedtls_forget_session(tls); /* its ticket is too old, or of another cipher */
    return 0;
}

/* Keeps the connection's session for the next one. Without memory there is just none. */
static void osb__mbedtls_keep_session(osb_mbedtls *tls)
{
    osb__mbedtls_forget_session(tls);
    if (tls->base->options.no_session_resumption) return;
    tls->has_session = mbedtls_ssl_get_session(&tls->ssl, &tls->session) == 0;
    if (tls->verified) tls->session_until_s = tls->until_s;
}

/* An exported session: five bytes that say what it is, when it ends, where it is good, and what
   mbedTLS makes of it, which begins with its version and configuration. */
#define OSB__MBEDTLS_SESSION_HEAD 41u
static const unsigned char osb__mbedtls_session_mark[5] = {'O', 'S', 'B', 'T', 1};

OSB_DEF size_t osb_mbedtls_session_export(const osb_mbedtls *tls, void *out, size_t size)
{
    unsigned char *to = (unsigned char *)out;
    size_t i, length = 0, needed;
    if (!tls->has_session) return 0;
    mbedtls_ssl_session_save(&tls->session, NULL, 0, &length); /* says how long it is */
    needed = OSB__MBEDTLS_SESSION_HEAD + length;
    if (needed > size) return needed;
    memcpy(to, osb__mbedtls_session_mark, 5);
    for (i = 0; i < 4; i++) to[5 + i] = (unsigned char)(tls->session_until_s >> (24 - 8 * i) & 255);
    memcpy(to + 9, tls->session_origin, 32);
    if (mbedtls_ssl_session_save(&tls->session, to + OSB__MBEDTLS_SESSION_HEAD, length, &length))
        return 0;
    return needed;
}

OSB_DEF bool osb_mbedtls_session_import(osb_mbedtls *tls, const void *data, size_t size)
{
    const unsigned char *from = (const unsigned char *)data;
    mbedtls_ssl_session session;
    size_t i;
    if (size < OSB__MBEDTLS_SESSION_HEAD || memcmp(from, osb__mbedtls_session_mark, 5) != 0)
        return false;
    mbedtls_ssl_session_init(&session);
    if (mbedtls_ssl_session_load(&session, from + OSB__MBEDTLS_SESSION_HEAD,
                                 size - OSB__MBEDTLS_SESSION_HEAD) != 0) {
        mbedtls_ssl_session_free(&session);
        return false;
    }
    osb__mbedtls_forget_session(tls);
    tls->session = session;
    mbedtls_platform_zeroize(&session, sizeof session);
    tls->has_session = true;
    tls->session_until_s = 0;
    for (i = 0; i < 4; i++) tls->session_until_s = tls->session_until_s << 8 | from[5 + i];
    memcpy(tls->session_origin, from + 9, 32);
    return true;
}

/* ---- bytes between mbedTLS and the inner port ------------------------------------------------*/

/* The inner port's answer as mbedTLS knows it; what exactly it was stands in `blocked`. */
static int osb__mbedtls_bio_answer(osb_mbedtls *tls, int io)
{
    tls->blocked = io;
    if (io == OSB_IO_WANT_WRITE) return MBEDTLS_ERR_SSL_WANT_WRITE;
    if (io == OSB_IO_WANT_READ || io == OSB_IO_AGAIN) return MBEDTLS_ERR_SSL_WANT_READ;
    return MBEDTLS_ERR_SSL_CONN_EOF;
}

static int osb__mbedtls_bio_send(void *ctx, const unsigned char *data, size_t size)
{
    osb_mbedtls *tls = (osb_mbedtls *)ctx;
    int io = (tls->inner.ops->send)(tls->inner.ctx, data, size);
    return io > 0 ? io : osb__mbedtls_bio_answer(tls, io);
}

static int osb__mbedtls_bio_recv(void *ctx, unsigned char *data, size_t size)
{
    osb_mbedtls *tls = (osb_mbedtls *)ctx;
    int io = (tls->inner.ops->recv)(tls->inner.ctx, data, size);
    size_t n;
    if (io <= 0) return osb__mbedtls_bio_answer(tls, io);
    n = (size_t)io < sizeof tls->last ? (size_t)io : sizeof tls->last;
    memmove(tls->last, tls->last + n, sizeof tls->last - n);
    memcpy(tls->last + sizeof tls->last - n, data + (size_t)io - n, n);
    return io;
}

/* What the port says for mbedTLS's "not now"; 0: it is something else. */
static int osb__mbedtls_later(const osb_mbedtls *tls, int code)
{
    if (code == MBEDTLS_ERR_SSL_CRYPTO_IN_PROGRESS) return OSB_IO_AGAIN;
#ifdef MBEDTLS_ERR_ECP_IN_PROGRESS
    if (code == MBEDTLS_ERR_ECP_IN_PROGRESS) return OSB_IO_AGAIN;
#endif
    if (code != MBEDTLS_ERR_SSL_WANT_READ && code != MBEDTLS_ERR_SSL_WANT_WRITE) return 0;
    return tls->blocked < 0 ? tls->blocked : OSB_IO_AGAIN;
}

/* ---- the port --------------------------------------------------------------------------------*/

enum {
    OSB__MBEDTLS_CLOSED,
    OSB__MBEDTLS_CONNECTING,
    OSB__MBEDTLS_HANDSHAKE,
    OSB__MBEDTLS_OPEN,
    OSB__MBEDTLS_PLAIN
};

static void osb__mbedtls_close(void *ctx)
{
    osb_mbedtls *tls = (osb_mbedtls *)ctx;
    if (tls->state == OSB__MBEDTLS_OPEN && !tls->broken) mbedtls_ssl_close_notify(&tls->ssl);
    if (tls->state == OSB__MBEDTLS_HANDSHAKE || tls->state == OSB__MBEDTLS_OPEN) {
        mbedtls_ssl_free(&tls->ssl);
        mbedtls_ssl_init(&tls->ssl);
    }
    (tls->inner.ops->close)(tls->inner.ctx);
    tls->state = OSB__MBEDTLS_CLOSED;
    tls->host = NULL;
}

static int osb__mbedtls_begin_connect(osb_mbedtls *tls, bool secure)
{
    int io = secure ? osb_mbedtls_prepare(tls) : 0;
    if (io != 0 && tls->base != tls) osb__mbedtls_fail(tls, tls->base->code, tls->base->text);
    if (io != 0) return io;
    tls->code = 0;
    tls->text[0] = '\0';
    tls->resumed = tls->verified = tls->broken = tls->self_signed = false;
    tls->unsent = 0;
    tls->flags = 0;
    tls->until_s = 0xffffffffu;
    memset(tls->last, 0, sizeof tls->last);
    tls->state = OSB__MBEDTLS_CONNECTING;
    return 0;
}

/* Sets the name to ask for and to find in the certificate: the host's, but for the point that a whole
   one ends with. Addresses are no names: no SNI, and their check is ours. */
static int osb__mbedtls_set_name(osb_mbedtls *tls, const char *host)
{
    char whole[MBEDTLS_SSL_MAX_HOST_NAME_LEN + 1];
    unsigned char address[16];
    const char *name = osb__mbedtls_literal(host, address) > 0 ? NULL : host;
    size_t size = strlen(host);
    if (size > 1 && size <= sizeof whole && host[size - 1] == '.') {
        memcpy(whole, host, size - 1);
        whole[size - 1] = '\0';
        if (osb__mbedtls_literal(whole, address) == 0) name = whole;
    }
    return mbedtls_ssl_set_hostname(&tls->ssl, name);
}

static int osb__mbedtls_begin_handshake(osb_mbedtls *tls, const char *host, uint16_t port)
{
    int code;
    tls->state = OSB__MBEDTLS_HANDSHAKE;
    code = mbedtls_ssl_setup(&tls->ssl, &tls->base->conf);
    if (code == 0) code = osb__mbedtls_set_name(tls, host);
    if (code == 0) code = osb__mbedtls_offer_session(tls, host, port);
    if (code != 0) return osb__mbedtls_failed(tls, code);
    mbedtls_ssl_set_bio(&tls->ssl, tls, osb__mbedtls_bio_send, osb__mbedtls_bio_recv, NULL);
    mbedtls_ssl_set_verify(&tls->ssl, osb__mbedtls_verify, tls);
    return OSB_IO_AGAIN;
}

#if MBEDTLS_VERSION_MAJOR < 3
static bool osb__mbedtls_shaken(osb_mbedtls *tls)
{
    return tls->ssl.state == MBEDTLS_SSL_HANDSHAKE_OVER;
}
#else
static bool osb__mbedtls_shaken(osb_mbedtls *tls)
{
    return mbedtls_ssl_is_handshake_over(&tls->ssl) != 0;
}
#endif

static int osb__mbedtls_handshake(osb_mbedtls *tls)
{
    int code, later;
    tls->blocked = 0;
    code = mbedtls_ssl_handshake_step(&tls->ssl);
    later = osb__mbedtls_later(tls, code);
    if (later != 0) return later;
    if (code != 0) {
        uint32_t flags = mbedtls_ssl_get_verify_result(&tls->ssl);
        if (flags != 0xffffffffu) tls->flags = flags;
        osb__mbedtls_forget_session(tls); /* perhaps the server does not like it */
        return osb__mbedtls_failed(tls, code);
    }
    if (!osb__mbedtls_shaken(tls)) return OSB_IO_AGAIN;
    if (!tls->verified && !tls->has_session)
        return osb__mbedtls_fail(tls, 0, "mbedTLS showed no certificate to verify");
    osb__mbedtls_keep_session(tls);
    tls->resumed = !tls->verified;
    tls->state = OSB__MBEDTLS_OPEN;
    tls->host = NULL;
    return 0;
}

static int osb__mbedtls_connect(void *ctx, const char *host, uint16_t port, bool secure)
{
    osb_mbedtls *tls = (osb_mbedtls *)ctx;
    int io;
    if (tls->state == OSB__MBEDTLS_CLOSED) {
        io = osb__mbedtls_begin_connect(tls, secure);
        if (io != 0) return io;
    }
    if (tls->state == OSB__MBEDTLS_CONNECTING) {
        io = (tls->inner.ops->connect)(tls->inner.ctx, host, port, false);
        if (io == OSB_IO_FAILED) return osb__mbedtls_inner_failed(tls, "");
        if (io != 0) return io;
        if (secure) return osb__mbedtls_begin_handshake(tls, host, port);
        tls->state = OSB__MBEDTLS_PLAIN;
        return 0;
    }
    tls->host = host;
    return osb__mbedtls_handshake(tls);
}

static int osb__mbedtls_send(void *ctx, const void *data, size_t size)
{
    osb_mbedtls *tls = (osb_mbedtls *)ctx;
    int code, later;
    if (tls->state == OSB__MBEDTLS_PLAIN) {
        code = (tls->inner.ops->send)(tls->inner.ctx, data, size);
        return code == OSB_IO_FAILED ? osb__mbedtls_inner_failed(tls, "") : code;
    }
    if (tls->unsent > 0) size = tls->unsent; /* it is in a record already */
    tls->blocked = 0;
    code = mbedtls_ssl_write(&tls->ssl, (const unsigned char *)data, size);
    later = osb__mbedtls_later(tls, code);
    tls->unsent = later != 0 ? size : 0;
    if (later != 0) return later;
    return code > 0 ? code : osb__mbedtls_failed(tls, code);
}

static int osb__mbedtls_recv(void *ctx, void *data, size_t size)
{
    osb_mbedtls *tls = (osb_mbedtls *)ctx;
    int code, later;
    if (tls->state == OSB__MBEDTLS_PLAIN) {
        code = (tls->inner.ops->recv)(tls->inner.ctx, data, size);
        return code == OSB_IO_FAILED ? osb__mbedtls_inner_failed(tls, "") : code;
    }
    tls->blocked = 0;
    code = mbedtls_ssl_read(&tls->ssl, (unsigned char *)data, size);
    if (code > 0) return code;
    if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) return OSB_IO_CLOSED;
#ifdef MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
    if (code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
        osb__mbedtls_keep_session(tls);
        return OSB_IO_AGAIN;
    }
#endif
    later = osb__mbedtls_later(tls, code);
    return later != 0 ? later : osb__mbedtls_failed(tls, code);
}

static uint32_t osb__mbedtls_now_ms(void *ctx)
{
    const osb_port *inner = &((const osb_mbedtls *)ctx)->inner;
    return inner->ops->now_ms(inner->ctx);
}

static void osb__mbedtls_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    const osb_port *inner = &((const osb_mbedtls *)ctx)->inner;
    inner->ops->wait(inner->ctx, want, timeout_ms);
}

static int osb__mbedtls_random(void *ctx, void *data, size_t size)
{
    const osb_port *inner = &((const osb_mbedtls *)ctx)->inner;
    return inner->ops->random(inner->ctx, data, size);
}

static uint32_t osb__mbedtls_unix_time(void *ctx)
{
    const osb_port *inner = &((const osb_mbedtls *)ctx)->inner;
    return inner->ops->unix_time(inner->ctx);
}

/* ---- public ----------------------------------------------------------------------------------*/

/* What the inner port cannot do, this one cannot either. */
static void osb__mbedtls_fill_in(osb_port_ops *ops, const osb_port_ops *inner)
{
    memset(ops, 0, sizeof *ops);
    ops->connect = osb__mbedtls_connect;
    ops->send = osb__mbedtls_send;
    ops->recv = osb__mbedtls_recv;
    ops->close = osb__mbedtls_close;
    ops->now_ms = osb__mbedtls_now_ms;
    ops->error = osb__mbedtls_error;
    ops->tls = true;
    if (inner->wait != NULL) ops->wait = osb__mbedtls_wait;
    if (inner->random != NULL) ops->random = osb__mbedtls_random;
    if (inner->unix_time != NULL) ops->unix_time = osb__mbedtls_unix_time;
}

OSB_DEF osb_port osb_mbedtls_port(osb_mbedtls *tls, osb_port inner,
                                  const osb_mbedtls_options *options)
{
    osb_port port;
    memset(tls, 0, sizeof *tls);
    if (options != NULL) tls->options = *options;
    tls->inner = inner;
    tls->base = tls->options.share != NULL ? tls->options.share->base : tls;
    osb__mbedtls_begin(tls);
    mbedtls_ssl_init(&tls->ssl);
    mbedtls_ssl_session_init(&tls->session);
    osb__mbedtls_fill_in(&tls->ops, inner.ops);
    port.ops = &tls->ops;
    port.ctx = tls;
    return port;
}

OSB_DEF void osb_mbedtls_free(osb_mbedtls *tls)
{
    if (tls->base == NULL) return;
    osb__mbedtls_close(tls);
    mbedtls_ssl_session_free(&tls->session);
    osb__mbedtls_unprepare(tls);
    mbedtls_platform_zeroize(tls, sizeof *tls);
}

OSB_DEF bool osb_mbedtls_resumed(const osb_mbedtls *tls)
{
    return tls->resumed;
}

#ifdef MBEDTLS_FS_IO
static const char *osb__mbedtls_from_env(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

OSB_DEF void osb_mbedtls_options_from_env(osb_mbedtls_options *options)
{
    if (options->ca != NULL || options->ca_file != NULL || options->ca_directory != NULL) return;
    options->ca_file = osb__mbedtls_from_env("SSL_CERT_FILE");
    options->ca_directory = osb__mbedtls_from_env("SSL_CERT_DIR");
}
#endif

#ifdef __cplusplus
}
#endif

#endif /* OSB__MBEDTLS_IMPLEMENTED */
#endif /* OPENSANDBOX_IMPLEMENTATION */
