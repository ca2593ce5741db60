// What the suites share: the SDK, the dev server as a child process, and the counting of tests.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const require = createRequire(`${process.env.INTEROP_DIR}/package.json`);
export const sdk = require("@alibaba-group/opensandbox");

const DEVSERVER = fileURLToPath(new URL("../../tools/devserver", import.meta.url));
const TEST_SECONDS = 20;

let passed = 0;
let failed = 0;

/** Runs one test; a failure is reported and counted, and the next test goes on. */
export async function test(name, body) {
    let timer;
    const late = new Promise((_, reject) => {
        const error = new Error(`took longer than ${TEST_SECONDS} s`);
        timer = setTimeout(() => reject(error), TEST_SECONDS * 1000);
    });
    try {
        await Promise.race([body(), late]);
        passed++;
        console.log(`ok - ${name}`);
    } catch (error) {
        failed++;
        console.log(`not ok - ${name}`);
        console.log(`  ${String(error.stack ?? error).replaceAll("\n", "\n  ")}`);
    } finally {
        clearTimeout(timer);
    }
}

/** Prints the last line and returns the exit status. */
export function summary() {
    console.log(`${passed} passed, ${failed} failed`);
    return failed || !passed ? 1 : 0;
}

/** The error of a call that has to fail. */
export async function failure(promise) {
    try {
        await promise;
    } catch (error) {
        return error;
    }
    throw new Error("the call succeeded and should not have");
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `check` returns something true, and returns that. */
export async function eventually(check, seconds = 5) {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
        const value = await check();
        if (value) return value;
        if (Date.now() > deadline) throw new Error("did not happen in time");
        await pause(25);
    }
}

/** `text` of each message, joined by newlines. */
export const texts = (messages) => messages.map((message) => message.text).join("\n");

export class DevServer {
    static async start(options) {
        // It ends with its standard input, so that nothing survives a crash of ours.
        const child = spawn("python3", [DEVSERVER, "--stdin-lifetime", ...options], {
            stdio: ["pipe", "pipe", "inherit"],
        });
        for await (const line of createInterface({ input: child.stdout })) {
            const match = /^Listening on http:\/\/(.*)$/.exec(line);
            if (match) return new DevServer(child, match[1], options);
        }
        throw new Error("the dev server did not start");
    }

    constructor(child, domain, options) {
        this.child = child;
        this.domain = domain;
        const key = options.indexOf("--api-key");
        this.apiKey = key < 0 ? undefined : options[key + 1];
    }

    config(overrides = {}) {
        return new sdk.ConnectionConfig({
            domain: this.domain,
            protocol: "http",
            apiKey: this.apiKey,
            disableMetrics: true,
            ...overrides,
        });
    }

    /** A ready sandbox; `use` gets it, and afterwards it is gone whatever happened. */
    async withSandbox(options, use) {
        const sandbox = await sdk.Sandbox.create({
            connectionConfig: this.config(options.config),
            image: "example/image:1",
            timeoutSeconds: 120,
            ...options.create,
        });
        try {
            return await use(sandbox);
        } finally {
            await sandbox.kill().catch(() => {});
            await sandbox.close();
        }
    }

    async withManager(use) {
        const manager = sdk.SandboxManager.create({ connectionConfig: this.config() });
        try {
            return await use(manager);
        } finally {
            await manager.close();
        }
    }

    async stop() {
        const ended = new Promise((resolve) => this.child.once("exit", resolve));
        this.child.stdin.end();
        await ended;
    }
}
