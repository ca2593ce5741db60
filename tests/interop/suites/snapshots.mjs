// Snapshots, and sandboxes that start from one.

import assert from "node:assert/strict";

import { eventually, failure, test } from "../harness.mjs";

export default async function (server) {
    await test("a snapshot brings the files back", () =>
        server.withSandbox({}, async (sandbox) => {
            const { sandboxes, commands } = sandbox;
            await commands.run("mkdir -p d && echo kept >d/file");
            const made = await sandboxes.createSnapshot(sandbox.id, { name: "first" });
            assert.equal(made.status.state, "Creating");
            assert.equal(made.sandboxId, sandbox.id);
            const ready = await eventually(async () => {
                const now = await sandboxes.getSnapshot(made.id);
                return now.status.state === "Ready" && now;
            });
            assert.equal(ready.name, "first");
            const create = { image: undefined, snapshotId: made.id };
            await server.withSandbox({ create }, async (restored) => {
                const info = await restored.getInfo();
                assert.equal(info.snapshotId, made.id);
                assert.equal(info.image, undefined);
                const run = await restored.commands.run("cat d/file");
                assert.equal(run.logs.stdout[0].text, "kept");
            });
            await sandboxes.deleteSnapshot(made.id);
            assert.equal((await failure(sandboxes.getSnapshot(made.id))).statusCode, 404);
        }));

    await test("list by sandbox, name and state", () =>
        server.withSandbox({}, async (sandbox) => {
            const { sandboxes } = sandbox;
            const [a, b] = [await sandboxes.createSnapshot(sandbox.id, { name: "a" }),
                await sandboxes.createSnapshot(sandbox.id)];
            const ids = async (filter) => (await sandboxes.listSnapshots(filter)).items
                .map((item) => item.id);
            assert.deepEqual(await ids({ sandboxId: sandbox.id }), [b.id, a.id]);
            assert.deepEqual(await ids({ sandboxId: sandbox.id, name: "a" }), [a.id]);
            assert.deepEqual(await ids({ sandboxId: sandbox.id, states: ["Failed"] }), []);
            await eventually(async () => (await ids({ states: ["Creating"] })).length === 0);
            await sandboxes.deleteSnapshot(a.id);
            await sandboxes.deleteSnapshot(b.id);
        }));

    await test("refusals: not running, still creating, not ready, failed", () =>
        server.withSandbox({ create: { extensions: { "devserver.snapshot-ms": "400",
            "devserver.snapshot-fail": "disk full" } } }, async (sandbox) => {
            const { sandboxes } = sandbox;
            const made = await sandboxes.createSnapshot(sandbox.id);
            assert.equal((await failure(sandboxes.deleteSnapshot(made.id))).error.code,
                "SNAPSHOT::INVALID_STATE");
            const early = await failure(server.withSandbox(
                { create: { image: undefined, snapshotId: made.id } }, () => {}));
            assert.equal(early.error.code, "SNAPSHOT::NOT_READY");
            await sandbox.pause();
            assert.equal((await failure(sandboxes.createSnapshot(sandbox.id))).error.code,
                "SNAPSHOT::INVALID_SOURCE_STATE");
            const failed = await eventually(async () => {
                const now = await sandboxes.getSnapshot(made.id);
                return now.status.state === "Failed" && now;
            });
            assert.equal(failed.status.message, "disk full");
        }));
}
