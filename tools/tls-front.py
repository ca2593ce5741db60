#!/usr/bin/env python3
"""A TLS server on loopback that passes everything on to a plain one there.

    tools/tls-front.py CERTIFICATE KEY PORT READY_FILE

PORT is the plain server's. The front's own port is written to READY_FILE once it listens. It ends
with its parent."""

import asyncio
import os
import ssl
import sys


async def pass_on(reader, writer):
    """Until the end of what comes; then the other side is told, too."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def serve_one(port, reader, writer):
    try:
        plain_reader, plain_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pass_on(reader, plain_writer), pass_on(plain_reader, writer))


async def main(certificate, key, port, ready_file):
    parent = os.getppid()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    server = await asyncio.start_server(lambda *streams: serve_one(int(port), *streams),
                                        "127.0.0.1", 0, ssl=context)
    with open(ready_file + ".part", "w", encoding="utf-8") as file:
        file.write(str(server.sockets[0].getsockname()[1]))
    os.replace(ready_file + ".part", ready_file)
    while os.getppid() == parent:
        await asyncio.sleep(1)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("usage: tools/tls-front.py CERTIFICATE KEY PORT READY_FILE")
    asyncio.run(main(*sys.argv[1:]))
