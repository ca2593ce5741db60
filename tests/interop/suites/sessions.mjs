// Bash sessions: what lasts from one run to the next, and what does not.

import assert from "node:assert/strict";

import { failure, pause, test, texts } from "../harness.mjs";

export default async function (server) {
    await server.withSandbox({}, async (sandbox) => {
        const { commands } = sandbox;
        const output = async (id, command, options) =>
            texts((await commands.runInSession(id, command, options)).logs.stdout);

        await test("environment and directory last, functions do not", async () => {
            const id = await commands.createSession({ workingDirectory: "/usr" });
            assert.equal(await output(id, "pwd"), "/usr");
            await commands.runInSession(id, "export COLOR='deep blue'; cd lib; f() { :; }");
            assert.equal(await output(id, 'pwd; echo "$COLOR"'), "/usr/lib\ndeep blue");
            assert.equal((await commands.runInSession(id, "f")).exitCode, 127);
            await commands.deleteSession(id);
        });

        await test("exit code, merged output and the session's id", async () => {
            const id = await commands.createSession();
            const run = await commands.runInSession(id, "echo out; echo err >&2; exit 3");
            assert.equal(run.id, id);
            assert.equal(texts(run.logs.stdout), "out\nerr");
            assert.equal(run.exitCode, 3);
        });

        await test("a working directory for one run is kept for the next", async () => {
            const id = await commands.createSession();
            assert.equal(await output(id, "pwd", { workingDirectory: "/usr" }), "/usr");
            assert.equal(await output(id, "pwd"), "/usr");
        });

        await test("a run that takes too long is killed", async () => {
            const id = await commands.createSession();
            const run = await commands.runInSession(id, "echo up; exec sleep 30",
                { timeoutSeconds: 1 });
            assert.equal(texts(run.logs.stdout), "up");
            assert.equal(run.complete, undefined);
        });

        await test("a client that leaves ends its run", async () => {
            const id = await commands.createSession();
            // The SDK's own abort has no effect once the answer has begun.
            const { endpoint, headers } = await sandbox.getEndpoint(44772);
            const control = new AbortController();
            const answer = await fetch(`http://${endpoint}/session/${id}/run`, {
                method: "POST", headers, signal: control.signal,
                body: JSON.stringify({ command: "sleep 1; export LATE=1" }),
            });
            await pause(200);
            control.abort();
            await failure(answer.text());
            await pause(1200);
            assert.equal(await output(id, "echo [$LATE]"), "[]");
        });

        await test("deleting and interrupting end a session", async () => {
            const id = await commands.createSession();
            await commands.deleteSession(id);
            assert.equal((await failure(commands.deleteSession(id))).statusCode, 404);
            assert.equal((await failure(commands.runInSession(id, "echo"))).statusCode, 500);
            const other = await commands.createSession();
            await commands.interrupt(other);
            assert.equal((await failure(commands.deleteSession(other))).statusCode, 404);
        });
    });
}
