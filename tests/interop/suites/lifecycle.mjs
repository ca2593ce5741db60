// Sandboxes: creating, finding, changing, pausing, reaching and ending them.

import assert from "node:assert/strict";
import { createServer } from "node:http";

import { eventually, failure, pause, sdk, test } from "../harness.mjs";

const FULL = {
    image: { uri: "registry.example.org/team/app:2", auth: { username: "u", password: "p" } },
    entrypoint: ["/bin/app", "--serve"],
    env: { GREETING: "hello there" },
    metadata: { team: "blue", "example.org/role": "worker" },
    resource: { cpu: "500m", memory: "512Mi" },
    resourceRequests: { cpu: "250m" },
    platform: { os: "linux", arch: "amd64" },
    networkPolicy: {
        defaultAction: "deny",
        egress: [{ action: "allow", target: "packages.example.org" }],
    },
    credentialProxy: { enabled: true },
    extensions: { "access.renew.extend.seconds": "600", "example.note": "kept" },
    volumes: [
        { name: "host-data", host: { path: "/srv/data" }, mountPath: "/mnt/host", readOnly: true },
        { name: "claim", pvc: { claimName: "claim-1", storage: "1Gi" }, mountPath: "/mnt/claim" },
        {
            name: "bucket",
            ossfs: {
                bucket: "bucket-a",
                endpoint: "oss.example.org",
                version: "2.0",
                options: ["allow_other"],
                accessKeyId: "id",
                accessKeySecret: "secret",
            },
            mountPath: "/mnt/bucket",
            subPath: "prefix/dir",
        },
    ],
    timeoutSeconds: 90,
};

export default async function (server) {
    await test("create with every field", () =>
        server.withSandbox({ create: FULL }, async (sandbox) => {
            const info = await sandbox.getInfo();
            assert.equal(info.id, sandbox.id);
            assert.equal(info.status.state, "Running");
            assert.equal(info.image.uri, FULL.image.uri);
            assert.deepEqual(info.entrypoint, FULL.entrypoint);
            assert.deepEqual(info.metadata, FULL.metadata);
            assert.deepEqual(info.platform, FULL.platform);
            assert.deepEqual(info.extensions, FULL.extensions);
            const life = info.expiresAt.getTime() - info.createdAt.getTime();
            assert.ok(Math.abs(life - 90_000) < 1000, `life of ${life} ms`);
            const run = await sandbox.commands.run('echo "$GREETING"');
            assert.equal(run.logs.stdout[0].text, "hello there");
        }));

    await test("no timeout means no expiry, and nothing to renew", () =>
        server.withSandbox({ create: { timeoutSeconds: null } }, async (sandbox) => {
            assert.equal((await sandbox.getInfo()).expiresAt, null);
            const error = await failure(sandbox.renew(600));
            assert.equal(error.statusCode, 409);
            assert.equal(error.error.code, "DOCKER::INVALID_EXPIRATION");
        }));

    await test("renew moves the end", () =>
        server.withSandbox({}, async (sandbox) => {
            const before = (await sandbox.getInfo()).expiresAt;
            const answer = await sandbox.renew(3600);
            const after = (await sandbox.getInfo()).expiresAt;
            assert.ok(after.getTime() - before.getTime() > 3000_000);
            assert.equal(answer.expiresAt.getTime(), after.getTime());
        }));

    await test("an expired sandbox is gone", () =>
        server.withSandbox({}, async (sandbox) => {
            await sandbox.renew(0.3);
            const error = await eventually(() =>
                sandbox.getInfo().then(() => null, (reason) => reason));
            assert.equal(error.statusCode, 404);
        }));

    await test("pause stops the processes, resume goes on", () =>
        server.withSandbox({}, async (sandbox) => {
            const run = await sandbox.commands.run(
                "for i in $(seq 100); do echo $i; sleep 0.05; done", { background: true });
            await sandbox.pause();
            assert.equal((await sandbox.getInfo()).status.state, "Paused");
            await pause(300);
            const resumed = await sandbox.resume();
            assert.equal((await resumed.getInfo()).status.state, "Running");
            const soon = await resumed.commands.getBackgroundCommandLogs(run.id);
            assert.ok(soon.content.split("\n").length < 8, "it ran while paused");
            await eventually(async () =>
                (await resumed.commands.getBackgroundCommandLogs(run.id)).content.length >
                soon.content.length);
            await resumed.close();
        }));

    await test("pause twice and resume without pause are refused", () =>
        server.withSandbox({}, async (sandbox) => {
            const resume = await failure(server.withManager((m) => m.resumeSandbox(sandbox.id)));
            assert.equal(resume.statusCode, 409);
            assert.equal(resume.error.code, "DOCKER::SANDBOX_NOT_PAUSED");
            await sandbox.pause();
            assert.equal((await failure(sandbox.pause())).statusCode, 500);
        }));

    await test("patch metadata sets and removes", () =>
        server.withSandbox({ create: { metadata: { a: "1", b: "2" } } }, async (sandbox) => {
            const info = await sandbox.patchMetadata({ a: null, b: "3", c: "4" });
            assert.deepEqual(info.metadata, { b: "3", c: "4" });
            const reserved = await failure(sandbox.patchMetadata({ "opensandbox.io/id": "x" }));
            assert.equal(reserved.statusCode, 400);
            assert.equal(reserved.error.code, "INVALID_METADATA_LABEL");
        }));

    await test("list filters by state and metadata, newest first, in pages", async () => {
        const made = [];
        const config = server.config();
        try {
            for (const size of ["s", "m", "l"]) {
                made.push(await sdk.Sandbox.create({
                    connectionConfig: config,
                    image: "example/image:1",
                    metadata: { batch: "list-test", size },
                }));
            }
            await made[0].pause();
            await server.withManager(async (manager) => {
                const batch = { batch: "list-test" };
                const all = await manager.listSandboxInfos({ metadata: batch });
                assert.deepEqual(
                    all.items.map((item) => item.id), made.map((each) => each.id).reverse());
                const first = await manager.listSandboxInfos({ metadata: batch, pageSize: 2 });
                assert.deepEqual(first.pagination, {
                    page: 1, pageSize: 2, totalItems: 3, totalPages: 2, hasNextPage: true,
                });
                const rest = await manager.listSandboxInfos(
                    { metadata: batch, pageSize: 2, page: 2 });
                assert.deepEqual(rest.items.map((item) => item.id), [made[0].id]);
                assert.equal(rest.pagination.hasNextPage, false);
                const paused = await manager.listSandboxInfos(
                    { metadata: batch, states: ["paused", "Failed"] });
                assert.deepEqual(paused.items.map((item) => item.id), [made[0].id]);
                const none = await manager.listSandboxInfos(
                    { metadata: { batch: "list-test", size: "xl" } });
                assert.deepEqual(none.items, []);
                assert.equal(none.pagination.totalPages, 0);
            });
        } finally {
            for (const sandbox of made) {
                await sandbox.kill();
                await sandbox.close();
            }
        }
    });

    await test("connect to a sandbox that exists", () =>
        server.withSandbox({}, async (sandbox) => {
            const other = await sdk.Sandbox.connect({
                connectionConfig: server.config(), sandboxId: sandbox.id });
            assert.equal((await other.commands.run("echo again")).logs.stdout[0].text, "again");
            await other.close();
        }));

    await test("a sandbox that starts late is waited for", () =>
        server.withSandbox(
            { create: { extensions: { "devserver.execd-down-ms": "500" } } },
            async (sandbox) => assert.equal(await sandbox.isHealthy(), true)));

    await test("a sandbox that never answers is given up", async () => {
        const error = await failure(server.withSandbox({
            create: {
                extensions: { "devserver.execd-answer": "401" }, readyTimeoutSeconds: 1,
            },
        }, () => {}));
        assert.equal(error.error.code, "READY_TIMEOUT");
    });

    await test("a process in the sandbox is reached through each kind of endpoint", () =>
        server.withSandbox({}, async (sandbox) => {
            const inside = await listenOnLoopback();
            try {
                const expires = Math.floor(Date.now() / 1000) + 60;
                const endpoints = [
                    await sandbox.getEndpoint(inside.port),
                    await sandbox.sandboxes.getSandboxEndpoint(sandbox.id, inside.port, true),
                    await sandbox.getSignedEndpoint(inside.port, expires),
                ];
                for (const { endpoint, headers } of endpoints) {
                    const answer = await fetch(`http://${endpoint}/a/b?c=d`, {
                        method: "POST", body: "ping", headers,
                    });
                    assert.equal(await answer.text(), "POST /a/b?c=d ping", endpoint);
                }
            } finally {
                inside.close();
            }
        }));

    await test("everything works behind the server proxy", () =>
        server.withSandbox({ config: { useServerProxy: true } }, async (sandbox) => {
            const { endpoint } = await sandbox.getEndpoint(44772);
            assert.equal(endpoint, `${server.domain}/sandboxes/${sandbox.id}/proxy/44772`);
            const run = await sandbox.commands.run("echo through the proxy");
            assert.equal(run.logs.stdout[0].text, "through the proxy");
        }));

    await test("a secured sandbox needs the headers of its endpoint", () =>
        server.withSandbox({ create: { secureAccess: true } }, async (sandbox) => {
            assert.equal((await sandbox.commands.run("echo in")).logs.stdout[0].text, "in");
            const { endpoint } = await sandbox.getEndpoint(44772);
            assert.equal((await fetch(`http://${endpoint}/ping`)).status, 401);
        }));

    await test("kill ends it, and a second time finds nothing", () =>
        server.withSandbox({}, async (sandbox) => {
            await sandbox.kill();
            assert.equal((await failure(sandbox.getInfo())).error.code,
                "DOCKER::SANDBOX_NOT_FOUND");
            assert.equal((await failure(sandbox.kill())).statusCode, 404);
        }));
}

async function listenOnLoopback() {
    const http = createServer(async (request, response) => {
        let body = "";
        for await (const chunk of request) body += chunk;
        response.end(`${request.method} ${request.url} ${body}`);
    });
    await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
    return { port: http.address().port, close: () => http.close() };
}
