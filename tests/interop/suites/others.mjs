// What the other suites leave out: the manager's calls by id, URLs, raw streams, the services'
// own names for what the sandbox has shortcuts for.

import assert from "node:assert/strict";

import { eventually, failure, test } from "../harness.mjs";

export default async function (server) {
    await server.withSandbox({ create: { metadata: { team: "a" } } }, async (sandbox) => {
        await test("an endpoint as URL", async () => {
            const { endpoint } = await sandbox.getEndpoint(44772);
            assert.equal(await sandbox.getEndpointUrl(44772), `http://${endpoint}`);
        });

        await test("execd's ping", async () => assert.equal(await sandbox.health.ping(), true));

        await test("a command's raw events", async () => {
            const types = [];
            for await (const event of sandbox.commands.runStream("echo one; echo two >&2")) {
                types.push(event.type);
            }
            assert.equal(types[0], "init");
            assert.equal(types.at(-1), "execution_complete");
            assert.ok(types.includes("stdout") && types.includes("stderr"));
        });

        await test("the manager pauses, resumes, renews and relabels by id", () =>
            server.withManager(async (manager) => {
                const state = async () => (await manager.getSandboxInfo(sandbox.id)).status.state;
                await manager.pauseSandbox(sandbox.id);
                await eventually(async () => (await state()) === "Paused");
                await manager.resumeSandbox(sandbox.id);
                await eventually(async () => (await state()) === "Running");
                await manager.renewSandbox(sandbox.id, 3600);
                const { expiresAt } = await manager.getSandboxInfo(sandbox.id);
                assert.ok(new Date(expiresAt) - Date.now() > 3500 * 1000);
                await manager.patchSandboxMetadata(sandbox.id, { team: null, stage: "test" });
                const { metadata } = await manager.getSandboxInfo(sandbox.id);
                assert.deepEqual(metadata, { stage: "test" });
                await manager.killSandbox(sandbox.id);
                assert.equal((await failure(manager.getSandboxInfo(sandbox.id))).statusCode, 404);
            }));
    });

    await server.withSandbox({}, async (sandbox) => {
        const { sandboxes } = sandbox;

        await test("the lifecycle service by itself", async () => {
            const { items } = await sandboxes.listSandboxes({ states: ["Running"] });
            assert.ok(items.some((item) => item.id === sandbox.id));
            const expiresAt = new Date(Date.now() + 1800 * 1000).toISOString();
            await sandboxes.renewSandboxExpiration(sandbox.id, { expiresAt });
            await sandboxes.patchSandboxMetadata(sandbox.id, { stage: "test" });
            const info = await sandboxes.getSandbox(sandbox.id);
            assert.equal(info.metadata.stage, "test");
            assert.equal(new Date(info.expiresAt).getTime(), new Date(expiresAt).getTime());
        });
    });
}
