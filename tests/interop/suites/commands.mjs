// Shell commands: foreground, background, their end and their traces.

import assert from "node:assert/strict";

import { eventually, failure, pause, test, texts } from "../harness.mjs";

export default async function (server) {
    await server.withSandbox({}, async (sandbox) => {
        const { commands } = sandbox;

        await test("output, exit code and duration of a command", async () => {
            const run = await commands.run("echo out; echo err >&2; printf 'no end'");
            assert.match(run.id, /^[0-9a-f]{32}$/);
            assert.equal(texts(run.logs.stdout), "out\nno end");
            assert.equal(texts(run.logs.stderr), "err");
            assert.equal(run.exitCode, 0);
            assert.ok(run.complete.executionTimeMs >= 0);
            assert.equal(run.error, undefined);
        });

        await test("handlers see the events as they come", async () => {
            const seen = [];
            const arrivals = [];
            await commands.run("echo one; sleep 0.3; echo two", undefined, {
                onInit: () => seen.push("init"),
                onStdout: (message) => {
                    seen.push(message.text);
                    arrivals.push(Date.now());
                },
                onExecutionComplete: () => seen.push("complete"),
            });
            assert.deepEqual(seen, ["init", "one", "two", "complete"]);
            assert.ok(arrivals[1] - arrivals[0] > 150, "output was held back");
        });

        await test("line ends, blank lines and characters beyond ASCII", async () => {
            const run = await commands.run("printf 'a\\r\\nb\\rc\\n\\nä€😀<&>\"\\\\\\t|\\n'");
            assert.deepEqual(run.logs.stdout.map((message) => message.text),
                ["a", "b", "c", "\n", 'ä€😀<&>"\\\t|']);
        });

        await test("exit codes and unknown commands", async () => {
            const three = await commands.run("exit 3");
            assert.equal(three.exitCode, 3);
            assert.equal(three.error.name, "CommandExecError");
            assert.deepEqual(three.error.traceback, ["exit status 3"]);
            const unknown = await commands.run("no-such-command-here");
            assert.equal(unknown.exitCode, 127);
            assert.match(texts(unknown.logs.stderr), /not found/);
        });

        await test("a signal ends with -1", async () => {
            const run = await commands.run("kill -9 $$");
            assert.equal(run.error.value, "-1");
            assert.deepEqual(run.error.traceback, ["signal: killed"]);
        });

        await test("working directory and environment", async () => {
            const run = await commands.run('pwd; echo "$COLOR"',
                { workingDirectory: "/usr", envs: { COLOR: "blue sky" } });
            assert.equal(texts(run.logs.stdout), "/usr\nblue sky");
        });

        await test("a time limit kills the whole group", async () => {
            const start = Date.now();
            const run = await commands.run("sleep 30 & sleep 30; echo never",
                { timeoutSeconds: 1 });
            assert.ok(Date.now() - start < 5000);
            assert.equal(run.error.value, "-1");
        });

        await test("a background command is followed by status and logs", async () => {
            const run = await commands.run("echo first; sleep 0.4; echo second; exit 4",
                { background: true });
            assert.deepEqual(run.logs.stdout, []);
            const running = await commands.getCommandStatus(run.id);
            assert.equal(running.running, true);
            assert.equal(running.exitCode, null);
            const start = await eventually(async () => {
                const logs = await commands.getBackgroundCommandLogs(run.id, 0);
                return logs.content && logs;
            });
            assert.deepEqual(start, { content: "first\n", cursor: 6 });
            const ended = await eventually(async () => {
                const status = await commands.getCommandStatus(run.id);
                return !status.running && status;
            });
            assert.equal(ended.exitCode, 4);
            assert.equal(ended.error, "exit status 4");
            assert.ok(ended.finishedAt >= ended.startedAt);
            const rest = await commands.getBackgroundCommandLogs(run.id, start.cursor);
            assert.deepEqual(rest, { content: "second\n", cursor: 13 });
        });

        await test("interrupt ends a background command", async () => {
            const run = await commands.run("sleep 30", { background: true });
            await commands.interrupt(run.id);
            const status = await eventually(async () => {
                const now = await commands.getCommandStatus(run.id);
                return !now.running && now;
            });
            assert.equal(status.error, "signal: terminated");
            assert.equal((await failure(commands.interrupt(run.id))).statusCode, 500);
        });

        await test("interrupt ends a foreground command", async () => {
            let interrupted;
            const run = await commands.run("echo up; sleep 30", undefined, {
                onInit: (init) => {
                    interrupted = pause(100).then(() => commands.interrupt(init.id));
                },
            });
            await interrupted;
            assert.deepEqual(run.error.traceback, ["signal: terminated"]);
        });

        await test("a foreground command has a status, but no logs", async () => {
            const run = await commands.run("echo x");
            assert.equal((await commands.getCommandStatus(run.id)).exitCode, 0);
            const error = await failure(commands.getBackgroundCommandLogs(run.id));
            assert.equal(error.statusCode, 400);
        });

        await test("many commands at once", async () => {
            const numbers = [...Array(12).keys()];
            const runs = await Promise.all(
                numbers.map((number) => commands.run(`sleep 0.1; echo ${number}`)));
            assert.deepEqual(runs.map((run) => texts(run.logs.stdout)), numbers.map(String));
        });

        await test("ten megabytes of output", async () => {
            let bytes = 0;
            await commands.run("seq -f %099.0f 100000", undefined, {
                skipAccumulation: true,
                onStdout: (message) => {
                    bytes += message.text.length + 1;
                },
            });
            assert.equal(bytes, 100 * 100000);
        });
    });
}
