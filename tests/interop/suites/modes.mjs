// The dev server's own options: other addresses, no keys, no tokens.

import assert from "node:assert/strict";

import { DevServer, failure, test, texts } from "../harness.mjs";

const MODES = [
    { options: ["--server-proxy"], endpoint: /^127\.0\.0\.1:\d+\/sandboxes\/[^/]+\/proxy\/44772$/ },
    { options: ["--endpoint-prefix", "gate/way"], endpoint: /^127\.0\.0\.1:\d+\/gate\/way$/ },
    { options: ["--no-execd-token"], endpoint: /^127\.0\.0\.1:\d+$/, headers: {} },
    {
        options: ["--server-proxy", "--endpoint-prefix", "/p", "--api-key", "other"],
        endpoint: /proxy\/44772$/,
    },
];

export default async function () {
    for (const { options, endpoint, ...expected } of MODES) {
        await test(`a server with ${options.join(" ")}`, async () => {
            const server = await DevServer.start(["--linger-ms", "10", ...options]);
            try {
                await server.withSandbox({}, async (sandbox) => {
                    const found = await sandbox.getEndpoint(44772);
                    assert.match(found.endpoint, endpoint);
                    if (expected.headers) assert.deepEqual(found.headers, expected.headers);
                    const run = await sandbox.commands.run("echo reached");
                    assert.equal(texts(run.logs.stdout), "reached");
                    await sandbox.files.writeFiles([{ path: "~/f", data: "x" }]);
                    assert.equal(await sandbox.files.readFile("~/f"), "x");
                });
            } finally {
                await server.stop();
            }
        });
    }

    await test("a server ends with its standard input, whatever is going on", async () => {
        const server = await DevServer.start([]);
        const sandbox = await server.withSandbox({}, async (made) => {
            const running = failure(made.commands.run("sleep 60"));
            await made.commands.run("echo still there");
            await server.stop();
            await running;
            return made;
        });
        assert.ok(await failure(sandbox.getInfo()));
    });
}
