// Figures on processor and memory.

import assert from "node:assert/strict";

import { test } from "../harness.mjs";

export default async function (server) {
    await server.withSandbox({}, async (sandbox) => {
        await test("metrics are plausible", async () => {
            const metrics = await sandbox.getMetrics();
            assert.ok(metrics.cpuCount >= 1);
            assert.ok(metrics.cpuUsedPercentage >= 0 && metrics.cpuUsedPercentage <= 100);
            assert.ok(metrics.memoryUsedMiB > 0);
            assert.ok(metrics.memoryUsedMiB < metrics.memoryTotalMiB);
            assert.ok(Math.abs(metrics.timestamp - Date.now()) < 60_000);
        });
    });
}
