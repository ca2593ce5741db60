/* An Arduino `Client` over the second serial line, under the name of the Ethernet shield's: what the
   sketch is compiled with where the shield's own library is not to be had. */
#ifndef ETHERNET_H
#define ETHERNET_H

#include <Arduino.h>
#include <Client.h>

class EthernetClient : public Client
{
  public:
    int connect(IPAddress, uint16_t port) override
    {
        return connect("", port);
    }
    int connect(const char *, uint16_t) override
    {
        Serial1.begin(115200);
        return 1;
    }
    size_t write(uint8_t byte) override
    {
        return Serial1.write(byte);
    }
    size_t write(const uint8_t *data, size_t size) override
    {
        return Serial1.write(data, size);
    }
    int available() override
    {
        return Serial1.available();
    }
    int read() override
    {
        return Serial1.read();
    }
    int read(uint8_t *data, size_t size) override
    {
        return static_cast<int>(Serial1.readBytes(data, size));
    }
    int peek() override
    {
        return Serial1.peek();
    }
    void flush() override
    {
        Serial1.flush();
    }
    void stop() override
    {
        Serial1.end();
    }
    uint8_t connected() override
    {
        return 1;
    }
    operator bool() override
    {
        return true;
    }
};

class EthernetClass
{
  public:
    int begin(const uint8_t *)
    {
        return 1;
    }
};

static EthernetClass Ethernet;

#endif
