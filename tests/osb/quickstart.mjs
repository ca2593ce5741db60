// The official JavaScript SDK's quickstart: create, run, print, kill. The SDK is in $INTEROP_DIR, the
// server in the environment.

import { createRequire } from "node:module";

const require = createRequire(`${process.env.INTEROP_DIR}/package.json`);
const { ConnectionConfig, Sandbox } = require("@alibaba-group/opensandbox");

const connectionConfig = new ConnectionConfig({
    domain: process.env.OPEN_SANDBOX_DOMAIN,
    apiKey: process.env.OPEN_SANDBOX_API_KEY,
});
const sandbox = await Sandbox.create({ connectionConfig, image: "python:3.12", timeoutSeconds: 600 });
const execution = await sandbox.commands.run("echo 'Hello Sandbox!'");
console.log(execution.logs.stdout[0]?.text);
await sandbox.kill();
await sandbox.close();
