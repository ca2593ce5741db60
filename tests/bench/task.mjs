// The tasks of task.h with OpenSandbox's official JavaScript SDK, which is found in $INTEROP_DIR.

import { createReadStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.INTEROP_DIR}/package.json`);
const { ConnectionConfig, Sandbox, SandboxManager } = require("@alibaba-group/opensandbox");
const start = performance.now();
const [port, name, first, second] = process.argv.slice(2);
const LISTED = 10000;
const PAGE_SIZE = 200;
let firstOutput = 0;
let seen = 0;
let seenBytes = 0;

const config = new ConnectionConfig({ domain: `127.0.0.1:${port}`, protocol: "http", apiKey: "bench", requestTimeoutSeconds: 600 });

const handlers = {
    onStdout: (message) => {
        if (!firstOutput) firstOutput = performance.now();
        seen++;
        seenBytes += message.text.length;
    },
};

function must(good, what) {
    if (good) return;
    console.error(`task: ${what}`);
    process.exit(1);
}

async function connect(path) {
    return Sandbox.connect({
        connectionConfig: config,
        sandboxId: `bench${path.replaceAll("/", "_")}`,
        skipHealthCheck: true,
    });
}

const tasks = {
    async quickstart() {
        const sandbox = await Sandbox.create({ connectionConfig: config, image: "python:3.12" });
        await sandbox.commands.run("bench", {}, handlers);
        await sandbox.kill();
        must(seen === 1, "output is lost");
    },
    async commands() {
        const sandbox = await connect(`/events/20/1/${second}`);
        for (let i = 0; i < Number(first); i++) await sandbox.commands.run("bench", {}, handlers);
        must(seen === Number(first), "output is lost");
    },
    async stream() {
        const sandbox = await connect(`/events/${first}/${second}/0`);
        await sandbox.commands.run("bench", {}, handlers);
        must(seen === Number(second) && seenBytes === first * second, "output is lost");
    },
    async list() {
        const manager = SandboxManager.create({ connectionConfig: config });
        let page = 1;
        let answer;
        do {
            answer = await manager.listSandboxInfos({ page: page++, pageSize: PAGE_SIZE });
            for (const item of answer.items) seen += item.status.state === "Running";
        } while (answer.pagination?.hasNextPage);
        must(seen === LISTED, "sandboxes are lost");
    },
    async download() {
        const sandbox = await connect("");
        for await (const chunk of sandbox.files.readBytesStream(`/${first}`)) seenBytes += chunk.length;
        must(seenBytes === Number(first), "bytes are lost");
    },
    async upload() {
        const sandbox = await connect("");
        await sandbox.files.writeFiles([{ path: "/upload", data: createReadStream(second) }]);
    },
};

await tasks[name]();
const usage = process.resourceUsage();
console.log(JSON.stringify({
    wall_s: (performance.now() - start) / 1000,
    cpu_s: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
    peak_kb: Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]),
    first_output_s: firstOutput ? (firstOutput - start) / 1000 : 0,
}));
process.exit(0);
