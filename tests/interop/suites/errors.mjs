// What the SDK makes of the server's refusals.

import assert from "node:assert/strict";

import { failure, sdk, test } from "../harness.mjs";

export default async function (server) {
    const create = (options, config) =>
        failure(server.withSandbox({ create: options, config }, () => {}));

    for (const [apiKey, code] of [["wrong", "INVALID_API_KEY"], ["", "MISSING_API_KEY"]]) {
        await test(`api key ${apiKey || "left out"}: ${code}`, async () => {
            const error = await create({}, { apiKey });
            assert.equal(error.statusCode, 401);
            assert.equal(error.error.code, code);
            assert.match(error.requestId, /^[0-9a-f]{32}$/);
        });
    }

    const refused = [
        ["a short timeout", { timeoutSeconds: 5 }, 422],
        ["a reserved metadata key", { metadata: { "opensandbox.io/x": "y" } }, 400,
            "SANDBOX::INVALID_METADATA_LABEL"],
        ["a metadata value that is no label", { metadata: { a: "with space" } }, 400,
            "SANDBOX::INVALID_METADATA_LABEL"],
        ["an unknown platform", { platform: { os: "plan9", arch: "amd64" } }, 400,
            "SANDBOX::INVALID_PARAMETER"],
        ["a renewal extension out of range",
            { extensions: { "access.renew.extend.seconds": "10" } }, 400,
            "SANDBOX::INVALID_PARAMETER"],
        ["credentialProxy without a policy", { credentialProxy: { enabled: true } }, 422],
        ["a snapshot that does not exist", { image: undefined, snapshotId: "none" }, 404,
            "SNAPSHOT::NOT_FOUND"],
        ["two volumes of one name",
            {
                volumes: ["/a", "/b"].map(
                    (path) => ({ name: "v", host: { path }, mountPath: path })),
            }, 400, "VOLUME::DUPLICATE_NAME"],
        ["a test hook that does not exist", { extensions: { "devserver.nonsense": "1" } }, 400,
            "SANDBOX::INVALID_PARAMETER"],
        ["a gateway's error page", { extensions: { "devserver.create-answer": "html" } }, 502],
    ];
    for (const [name, options, status, code] of refused) {
        await test(`create refuses ${name}`, async () => {
            const error = await create(options);
            assert.equal(error.statusCode, status);
            if (code) assert.equal(error.error.code, code);
        });
    }

    await test("a create answer that never comes is an error", async () => {
        await create({
            extensions: { "devserver.create-answer": "drop" }, metadata: { lost: "1" },
        });
        await server.withManager(async (manager) => {
            const { items } = await manager.listSandboxInfos({ metadata: { lost: "1" } });
            assert.equal(items.length, 1);
            await manager.killSandbox(items[0].id);
        });
    });

    await test("an unknown sandbox", () =>
        server.withManager(async (manager) => {
            const error = await failure(manager.getSandboxInfo("none"));
            assert.equal(error.statusCode, 404);
            assert.equal(error.error.code, "DOCKER::SANDBOX_NOT_FOUND");
        }));

    await test("page sizes out of range", () =>
        server.withManager(async (manager) => {
            const error = await failure(manager.listSandboxInfos({ pageSize: 201 }));
            assert.equal(error.statusCode, 422);
        }));

    await server.withSandbox({}, async (sandbox) => {
        const { commands } = sandbox;
        const bad = [
            ["a working directory that does not exist",
                () => commands.run("pwd", { workingDirectory: "/does/not/exist" }), 400],
            ["status of an unknown command", () => commands.getCommandStatus("none"), 404],
            ["logs of an unknown command", () => commands.getBackgroundCommandLogs("none"), 400],
            ["interrupt of an unknown command", () => commands.interrupt("none"), 500],
            ["a port out of range", () => sandbox.getEndpoint(70000), 400],
            ["a signature that has expired", () => sandbox.getSignedEndpoint(80, 1), 400],
        ];
        for (const [name, call, status] of bad) {
            await test(name, async () => {
                const error = await failure(call());
                assert.ok(error instanceof sdk.SandboxApiException, String(error));
                assert.equal(error.statusCode, status);
            });
        }
    });

    await test("a stream that is cut is an error", () =>
        server.withSandbox({ create: { extensions: { "devserver.stream-cut": "400" } } },
            (sandbox) => failure(sandbox.commands.run("seq 1000"))));
}
