// Starts the dev server, runs the suites, and sums up. Arguments: names of suites (default: all).

import { readdirSync } from "node:fs";

import { DevServer, summary } from "./harness.mjs";

const all = readdirSync(new URL("./suites/", import.meta.url))
    .filter((name) => name.endsWith(".mjs"))
    .map((name) => name.slice(0, -".mjs".length))
    .sort();
const wanted = process.argv.length > 2 ? process.argv.slice(2) : all;

const server = await DevServer.start(["--api-key", "interop-key", "--linger-ms", "100"]);
try {
    for (const name of wanted) {
        console.log(`# ${name}`);
        const suite = await import(`./suites/${name}.mjs`);
        await suite.default(server);
    }
} finally {
    await server.stop();
}
process.exit(summary());
