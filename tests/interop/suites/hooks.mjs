// The test hooks: trouble on demand.

import assert from "node:assert/strict";

import { eventually, failure, pause, test, texts } from "../harness.mjs";

export default async function (server) {
    const using = (hooks, use) => {
        const entries = Object.entries(hooks).map(([key, value]) => [`devserver.${key}`, value]);
        return server.withSandbox({ create: { extensions: Object.fromEntries(entries) } }, use);
    };
    const state = async (sandbox) => (await sandbox.getInfo()).status.state;

    // The SDK's create wants an endpoint at once, so these go through the interface below it.
    await server.withSandbox({}, async ({ sandboxes }) => {
        const made = (extensions) => sandboxes.createSandbox({
            image: { uri: "example/image:1" }, entrypoint: ["app"], timeout: 60,
            resourceLimits: {}, extensions,
        });
        const status = async (id) => (await sandboxes.getSandbox(id)).status;

        await test("a sandbox that is Pending for a while", async () => {
            const { id, status: first } = await made({ "devserver.pending-ms": "300" });
            assert.equal(first.state, "Pending");
            const early = await failure(sandboxes.getSandboxEndpoint(id, 44772));
            assert.equal(early.error.code, "KUBERNETES::POD_IP_NOT_AVAILABLE");
            await eventually(async () => (await status(id)).state === "Running");
            await sandboxes.getSandboxEndpoint(id, 44772);
            await sandboxes.deleteSandbox(id);
        });

        await test("a sandbox that fails while Pending", async () => {
            const { id, status: first } = await made({ "devserver.fail": "no such image" });
            assert.equal(first.state, "Pending");
            const failed = await eventually(async () => {
                const now = await status(id);
                return now.state === "Failed" && now;
            });
            assert.equal(failed.message, "no such image");
            await sandboxes.deleteSandbox(id);
        });

        await test("a sandbox that never gets ready", async () => {
            const { id } = await made({ "devserver.never-ready": "1" });
            await pause(400);
            assert.equal((await status(id)).state, "Pending");
            await sandboxes.deleteSandbox(id);
        });
    });

    await test("pause and resume that take their time", () =>
        using({ "transition-ms": "250" }, async (sandbox) => {
            await sandbox.pause();
            assert.equal(await state(sandbox), "Pausing");
            await eventually(async () => (await state(sandbox)) === "Paused");
            await server.withManager((manager) => manager.resumeSandbox(sandbox.id));
            assert.equal(await state(sandbox), "Resuming");
            await eventually(async () => (await state(sandbox)) === "Running");
        }));

    await test("a sandbox that expires soon", () =>
        using({ "expire-ms": "400" }, async (sandbox) => {
            await eventually(() => sandbox.getInfo().then(() => false, () => true));
        }));

    await test("a create answer that comes late", async () => {
        const start = Date.now();
        await using({ "create-delay-ms": "400" }, () => {});
        assert.ok(Date.now() - start >= 400);
    });

    await test("an execd that fails a few times", () =>
        using({ "execd-answer": "503", "execd-answer-count": "2" }, async (sandbox) => {
            assert.equal(await sandbox.isHealthy(), true);
        }));

    await test("a stream that falls silent", () =>
        using({ "stream-stall": "300" }, async (sandbox) => {
            const { endpoint, headers } = await sandbox.getEndpoint(44772);
            const control = new AbortController();
            const answer = await fetch(`http://${endpoint}/command`, {
                method: "POST", headers, signal: control.signal,
                body: JSON.stringify({ command: "seq 1000" }),
            });
            let bytes = 0;
            const reading = (async () => {
                for await (const chunk of answer.body) bytes += chunk.length;
            })();
            await pause(500);
            assert.equal(bytes, 300);
            control.abort();
            await failure(reading);
        }));

    await test("a stream that is reset", () =>
        using({ "stream-reset": "300" }, (sandbox) => failure(sandbox.commands.run("seq 1000"))));

    await test("frequent pings and a long end", () =>
        using({ "ping-ms": "50", "linger-ms": "400" }, async (sandbox) => {
            const kinds = [];
            const start = Date.now();
            const run = await sandbox.commands.run("sleep 0.3; echo x", undefined, {
                onEvent: (event) => kinds.push(event.type),
            });
            assert.ok(Date.now() - start >= 700);
            assert.equal(texts(run.logs.stdout), "x");
            assert.ok(kinds.filter((kind) => kind === "ping").length >= 6, kinds.join(" "));
        }));
}
