// The egress sidecar: policy and credential vault.

import assert from "node:assert/strict";

import { failure, test } from "../harness.mjs";

const allow = (target) => ({ action: "allow", target });
const POLICY = {
    defaultAction: "deny", egress: [allow("api.example.org"), allow("*.example.net")],
};

export default async function (server) {
    const create = { networkPolicy: POLICY, credentialProxy: { enabled: true } };

    await server.withSandbox({ create }, async (sandbox) => {
        await test("the policy of the create request is there", async () =>
            assert.deepEqual(await sandbox.getEgressPolicy(), POLICY));

        await test("patch puts rules first, delete takes them out", async () => {
            await sandbox.patchEgressRules([
                { action: "deny", target: "API.example.org" }, allow("new.example.org")]);
            assert.deepEqual((await sandbox.getEgressPolicy()).egress, [
                { action: "deny", target: "API.example.org" }, allow("new.example.org"),
                allow("*.example.net")]);
            await sandbox.deleteEgressRules(["new.example.org", "unknown.example.org"]);
            await sandbox.patchEgressRules([allow("api.example.org")]);
            assert.deepEqual((await sandbox.getEgressPolicy()).egress,
                [allow("api.example.org"), allow("*.example.net")]);
            await failure(sandbox.patchEgressRules([{ action: "maybe", target: "x.example.org" }]));
        });

        await test("vault: create, read, change, delete", async () => {
            const vault = sandbox.credentialVault;
            assert.equal((await failure(vault.get())).statusCode, 404);
            const bearer = {
                name: "b", match: { hosts: ["API.example.org"] },
                auth: { type: "bearer", credential: "token" },
            };
            const made = await vault.create({
                credentials: [{ name: "token", source: { value: "s3cret" } }],
                bindings: [bearer],
            });
            assert.equal(made.revision, 1);
            assert.deepEqual(made.credentials,
                [{ name: "token", sourceType: "inline", revision: 1 }]);
            assert.deepEqual(made.bindings, [{
                name: "b", revision: 1, auth: { type: "bearer" },
                match: {
                    schemes: ["https"], ports: [443], hosts: ["api.example.org"],
                    methods: ["GET", "POST", "PUT", "PATCH", "DELETE"], paths: ["/*"],
                },
            }]);
            const twice = await failure(vault.create({ credentials: [], bindings: [] }));
            assert.equal(twice.statusCode, 409);
            const changed = await vault.patch({
                expectedRevision: 1,
                credentials: { add: [{ name: "key", source: { type: "inline", value: "k" } }] },
                bindings: { add: [{
                    name: "a", match: { hosts: ["x.example.net"], paths: ["/v1/*"] },
                    auth: { type: "apiKey", name: "x-api-key", credential: "key" },
                }] },
            });
            assert.equal(changed.revision, 2);
            assert.deepEqual((await vault.listCredentials()).map((each) => each.name),
                ["key", "token"]);
            assert.deepEqual((await vault.getBinding("a")).auth,
                { type: "apiKey", name: "X-Api-Key" });
            assert.equal((await vault.getCredential("key")).revision, 2);
            assert.equal((await vault.listBindings()).length, 2);
            assert.equal((await failure(vault.patch({ expectedRevision: 1 }))).statusCode, 409);
            assert.equal((await failure(vault.getBinding("none"))).statusCode, 404);
            await failure(sandbox.deleteEgressRules(["api.example.org"]));
            await vault.delete();
            assert.equal((await failure(vault.get())).statusCode, 404);
        });

        await test("vault: what is not accepted", async () => {
            const bad = (match, auth) => failure(sandbox.credentialVault.create({
                credentials: [{ name: "c", source: { value: "v" } }],
                bindings: [{ name: "b", match, auth: auth ?? { type: "bearer", credential: "c" } }],
            }));
            for (const error of [
                await bad({ hosts: ["other.example.org"] }),
                await bad({ hosts: ["10.0.0.1"] }),
                await bad({ hosts: ["api.example.org"], ports: [8443] }),
                await bad({ hosts: ["api.example.org"] }, { type: "bearer", credential: "none" }),
                await bad({ hosts: ["api.example.org"] },
                    { type: "apiKey", name: "Host", credential: "c" }),
            ]) {
                assert.equal(error.statusCode, 400);
            }
        });
    });

    await server.withSandbox({ create: { networkPolicy: POLICY } }, async (sandbox) => {
        await test("no vault without credentialProxy", async () => {
            const error = await failure(
                sandbox.credentialVault.create({ credentials: [], bindings: [] }));
            assert.equal(error.statusCode, 412);
        });

        await test("the sidecar wants its own token", async () => {
            const { endpoint, headers } = await sandbox.getEndpoint(18080);
            const answer = await fetch(`http://${endpoint}/policy`, {
                headers: { ...headers, "OPENSANDBOX-EGRESS-AUTH": "wrong" } });
            assert.equal(answer.status, 401);
            assert.equal(await answer.text(), "unauthorized\n");
        });
    });
}
