/* Creates a sandbox, runs a command in it with live output, kills it: on an Arduino.

   Over WiFi where the board has it (ESP32, ESP8266, Pico W), else over an Ethernet shield. The library
   has been compiled already, so there is no OPENSANDBOX_IMPLEMENTATION here. The port below goes over
   any Arduino `Client`; a Client with TLS makes it HTTPS: set ops.tls and config.https then. */
#include <opensandbox.h>
#if defined(ESP8266)
#include <ESP8266WiFi.h>
#elif defined(ESP32) || defined(ARDUINO_RASPBERRY_PI_PICO_W)
#include <WiFi.h>
#else
#include <Ethernet.h>
#define OVER_ETHERNET
#endif

static const char server[] = "192.0.2.10:8080";
static const char api_key[] = "your-key";

#ifdef OVER_ETHERNET
static EthernetClient network;
static bool join()
{
    byte mac[] = {0x02, 0x00, 0x00, 0x00, 0x00, 0x01};
    return Ethernet.begin(mac) != 0;
}
#else
static WiFiClient network;
static bool join()
{
    WiFi.begin("your-network", "its-password");
    while (WiFi.status() != WL_CONNECTED) delay(100);
    return true;
}
#endif

/* ---- the port: any Arduino Client ------------------------------------------------------------*/

/* Client::connect() blocks: for as long as the board's own time-out says. */
static int client_connect(void *ctx, const char *host, uint16_t port, bool)
{
    Client *client = static_cast<Client *>(ctx);
    return client->connect(host, port) == 1 ? 0 : OSB_IO_FAILED;
}

static int client_send(void *ctx, const void *data, size_t size)
{
    Client *client = static_cast<Client *>(ctx);
    size_t sent = client->write(static_cast<const uint8_t *>(data), size < 512 ? size : 512);
    if (sent > 0) return static_cast<int>(sent);
    return client->connected() ? OSB_IO_WANT_WRITE : OSB_IO_FAILED;
}

/* A Client does not tell a reset from an end: an answer without a length that was cut looks whole. */
static int client_recv(void *ctx, void *data, size_t size)
{
    Client *client = static_cast<Client *>(ctx);
    int waiting = client->available();
    if (waiting <= 0) return client->connected() ? OSB_IO_WANT_READ : OSB_IO_CLOSED;
    if (size > 512) size = 512;
    if (size > static_cast<size_t>(waiting)) size = static_cast<size_t>(waiting);
    int got = client->read(static_cast<uint8_t *>(data), size);
    return got > 0 ? got : OSB_IO_FAILED;
}

static void client_close(void *ctx)
{
    static_cast<Client *>(ctx)->stop();
}

static uint32_t client_now_ms(void *)
{
    return millis();
}

/* A Client cannot wait for bytes, so this looks again each millisecond. */
static void client_wait(void *, unsigned, uint32_t timeout_ms)
{
    delay(timeout_ms < 1 ? timeout_ms : 1);
}

static osb_port client_port(Client &client)
{
    static osb_port_ops ops;
    ops.connect = client_connect;
    ops.send = client_send;
    ops.recv = client_recv;
    ops.close = client_close;
    ops.now_ms = client_now_ms;
    ops.wait = client_wait;
    osb_port port = {&ops, &client};
    return port;
}

/* ---- the program -----------------------------------------------------------------------------*/

static unsigned char memory[1024];
static osb_client client;
static osb_sandbox box;

static int print(void *, osb_stream, const char *data, size_t size)
{
    Serial.write(reinterpret_cast<const uint8_t *>(data), size);
    return 0;
}

static osb_status run_in_a_sandbox()
{
    osb_config config = {};
    osb_create_options options = {};
    osb_command command = {};
    osb_handlers output = {};
    osb_execution run = {};
    config.port = client_port(network);
    config.memory = memory;
    config.memory_size = sizeof memory;
    config.domain = server;
    config.api_key = api_key;
    options.image = "python:3.12";
    command.command = "echo hello from the sandbox; uname -sr";
    output.on_output = print;

    osb_status status = osb_client_init(&client, &config);
    if (status == OSB_OK) status = osb_sandbox_create(&client, &options, &box);
    if (status != OSB_OK) return status;
    status = osb_command_run(&box, &command, &output, &run);
    osb_status killed = osb_sandbox_kill(&box);
    return status != OSB_OK ? status : killed;
}

void setup()
{
    Serial.begin(115200);
    if (!join()) {
        Serial.println("no network");
        return;
    }
    osb_status status = run_in_a_sandbox();
    Serial.println(osb_status_name(status));
}

void loop()
{
}
