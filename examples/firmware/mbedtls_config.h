/* mbedTLS 2.28 for a client of TLS 1.2 with ECDHE-ECDSA on P-256, AES-128-GCM and SHA-256, in an
   arena instead of a heap. For servers with RSA certificates define FIRMWARE_RSA: 9 KB of flash
   and 3 KB of arena more. */
#ifndef MBEDTLS_CONFIG_H
#define MBEDTLS_CONFIG_H

/* The largest record. Up to 4096 the server is asked for no larger ones (max fragment length); one
   that ignores this wants 16384. It must hold the server's certificates in one piece. */
#ifndef TLS_RECORD_BYTES
#define TLS_RECORD_BYTES 4096
#endif
#define MBEDTLS_SSL_IN_CONTENT_LEN TLS_RECORD_BYTES
#if TLS_RECORD_BYTES > 4096
#define MBEDTLS_SSL_OUT_CONTENT_LEN 2048
#else
#define MBEDTLS_SSL_OUT_CONTENT_LEN TLS_RECORD_BYTES /* both count for max fragment length */
#endif

/* Memory from the arena; no C library behind it. */
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_NO_STD_FUNCTIONS
#define MBEDTLS_MEMORY_BUFFER_ALLOC_C
#define MBEDTLS_PLATFORM_EXIT_MACRO board_exit /* the arena was overwritten */
void board_exit(int status);

/* TLS 1.2 as a client. */
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
#define MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_SESSION_TICKETS
#define MBEDTLS_SSL_ALPN
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED

/* Certificates. */
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_REMOVE_INFO
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_OID_C
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C

/* Public keys: with less RAM than by default. A window of 4 takes 1.3 KB more, and saves one of six
   of a handshake's instructions. */
#ifndef TLS_ECP_WINDOW
#define TLS_ECP_WINDOW 2
#endif
#define MBEDTLS_HAVE_ASM /* the multiplications of big numbers */
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_WINDOW_SIZE TLS_ECP_WINDOW
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 0
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDSA_C
#ifdef FIRMWARE_RSA
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED
#endif
/* A superloop: a curve's computation is cut into steps. */
#ifdef FIRMWARE_RESTARTABLE
#define MBEDTLS_ECP_RESTARTABLE
#define MBEDTLS_ECDH_LEGACY_CONTEXT
#endif

/* Ciphers and hashes, their tables in flash. */
#define MBEDTLS_AES_C
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_GCM_C
#define MBEDTLS_CIPHER_C
#define MBEDTLS_MD_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_CTR_DRBG_C

#include "mbedtls/check_config.h"

#endif
