// Isolated sessions: the API, as the dev server isolates nothing.

import assert from "node:assert/strict";

import { eventually, failure, test, texts } from "../harness.mjs";

export default async function (server) {
    const env = { SECRET_API_KEY: "hidden", COLOR: "blue" };
    await server.withSandbox({ create: { env } }, async (sandbox) => {
        const { isolation } = sandbox;
        const home = texts((await sandbox.commands.run("pwd")).logs.stdout);
        const workspace = { path: `${home}/work`, mode: "rw" };

        await test("capabilities", async () => {
            const found = await isolation.capabilities();
            assert.equal(found.available, true);
            assert.equal(found.commit_supported, false);
        });

        await test("create, run, get, list, delete", async () => {
            const session = await isolation.create(
                { workspace, idle_timeout_seconds: 100, share_net: true });
            const run = await session.run("pwd; echo $COLOR$SECRET_API_KEY$EXTRA; exit 3",
                { envs: { EXTRA: "!" } });
            assert.equal(texts(run.logs.stdout), `${workspace.path}\nblue!`);
            assert.equal(run.exitCode, 3);
            const state = await session.get();
            assert.equal(state.status, "active");
            assert.deepEqual(state.workspace, workspace);
            assert.ok(state.idle_remaining_seconds <= 100);
            assert.deepEqual((await isolation.list()).map((each) => each.session_id),
                [session.sessionId]);
            await session.run("kept=1; cd /");
            assert.equal(texts((await session.run("echo $kept; pwd")).logs.stdout), "1\n/");
            const again = await isolation.attach(session.sessionId);
            assert.equal(again.info.share_net, true);
            await session.delete();
            assert.match(String(await failure(session.get())), /404/);
        });

        await test("files of a session", async () => {
            await isolation.withSession({ workspace }, async ({ files }) => {
                await files.writeFiles([{ path: `${workspace.path}/f`, data: "text" }]);
                assert.equal(await files.readFile(`${workspace.path}/f`), "text");
                const found = await files.search({ path: workspace.path, pattern: "f" });
                assert.equal(found.length, 1);
            });
            await isolation.withSession({ workspace: { ...workspace, mode: "ro" } },
                async ({ files }) => {
                    assert.equal(await files.readFile(`${workspace.path}/f`), "text");
                    const error = await failure(files.deleteFiles([`${workspace.path}/f`]));
                    assert.equal(error.statusCode, 403);
                });
        });

        await test("one run, with a time limit", async () => {
            const run = await isolation.runOnce("sleep 30", workspace.path,
                { runOpts: { timeout_seconds: 1 } });
            assert.equal(run.error.value, "context deadline exceeded");
            assert.deepEqual(await isolation.list(), []);
        });

        await test("an idle session goes away, a bad request is refused", async () => {
            const session = await isolation.create({ workspace, idle_timeout_seconds: 1 });
            await eventually(async () => (await isolation.list()).length === 0);
            assert.match(String(await failure(session.run("echo"))), /not found/i);
            const refused = await failure(isolation.create({ workspace: { path: "" } }));
            assert.match(String(refused), /400/);
        });
    });
}
