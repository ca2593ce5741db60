// Files and directories.

import assert from "node:assert/strict";
import { Readable } from "node:stream";

import { failure, test } from "../harness.mjs";

export default async function (server) {
    await server.withSandbox({}, async (sandbox) => {
        const { files } = sandbox;
        const home = (await sandbox.commands.run("pwd")).logs.stdout[0].text;

        await test("write and read text, bytes and a stream", async () => {
            const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256);
            await files.writeFiles([
                { path: `${home}/new/dir/a.txt`, data: "grüße\n", mode: 640 },
                { path: `${home}/b.bin`, data: bytes },
                { path: `${home}/c.txt`, data: Readable.from([Buffer.from("part 1, "),
                    Buffer.from("part 2")]) },
                { path: `${home}/empty`, data: "" },
            ]);
            assert.equal(await files.readFile(`${home}/new/dir/a.txt`), "grüße\n");
            assert.deepEqual(
                Buffer.from(await files.readBytes(`${home}/b.bin`)), Buffer.from(bytes));
            assert.equal(await files.readFile(`${home}/c.txt`), "part 1, part 2");
            assert.equal(await files.readFile(`${home}/empty`), "");
            const chunks = [];
            for await (const chunk of files.readBytesStream(`${home}/b.bin`)) chunks.push(chunk);
            assert.equal(Buffer.concat(chunks).length, bytes.length);
        });

        await test("ranges of bytes and of lines", async () => {
            const path = `${home}/lines`;
            await files.writeFiles([{ path, data: "one\ntwo\r\nthree\nfour" }]);
            assert.equal(await files.readFile(path, { range: "bytes=4-6" }), "two");
            assert.equal(await files.readFile(path, { range: "bytes=-4" }), "four");
            assert.equal(await files.readFile(path, { offset: 2, limit: 2 }), "two\nthree");
            assert.equal((await failure(files.readFile(path, { range: "bytes=99-" }))).statusCode,
                416);
        });

        await test("information", async () => {
            const path = `${home}/info`;
            await files.writeFiles([{ path, data: "12345", mode: 604 }]);
            const info = (await files.getFileInfo([path]))[path];
            assert.equal(info.path, path);
            assert.equal(info.type, "file");
            assert.equal(info.size, 5);
            assert.equal(info.mode, 604);
            assert.ok(info.owner && info.group);
            assert.ok(Math.abs(info.modifiedAt.getTime() - Date.now()) < 60_000);
            assert.equal((await failure(files.getFileInfo([`${home}/none`]))).statusCode, 404);
        });

        await test("directories: make, list, remove", async () => {
            const root = `${home}/tree`;
            await files.createDirectories([
                { path: `${root}/x/y`, mode: 750 }, { path: `${root}/z`, mode: 755 }]);
            await files.writeFiles([{ path: `${root}/x/f`, data: "f" }]);
            const names = async (depth) => (await files.listDirectory({ path: root, depth }))
                .map((entry) => entry.path.slice(root.length + 1));
            assert.deepEqual(await names(1), ["x", "z"]);
            assert.deepEqual(await names(2), ["x", "x/f", "x/y", "z"]);
            assert.equal((await files.getFileInfo([`${root}/x/y`]))[`${root}/x/y`].mode, 750);
            await files.deleteDirectories([root]);
            await files.deleteDirectories([root]);
            assert.equal((await failure(files.listDirectory({ path: root }))).statusCode, 404);
        });

        await test("search goes by names", async () => {
            await files.writeFiles(["s/a.py", "s/deep/b.py", "s/deep/c.txt"].map(
                (name) => ({ path: `${home}/${name}`, data: name })));
            const found = async (pattern) => (await files.search({ path: `${home}/s`, pattern }))
                .map((entry) => entry.path.slice(home.length + 3));
            assert.deepEqual(await found("*.py"), ["a.py", "deep/b.py"]);
            assert.deepEqual(await found("{a,c}.*"), ["a.py", "deep/c.txt"]);
            assert.deepEqual(await found("none"), []);
        });

        await test("move, permissions, replace, delete", async () => {
            const [from, to] = [`${home}/from`, `${home}/moved/to`];
            await files.writeFiles([{ path: from, data: "red red blue" }]);
            await files.moveFiles([{ src: from, dest: to }]);
            await files.setPermissions([{ path: to, mode: 600 }]);
            assert.equal((await files.getFileInfo([to]))[to].mode, 600);
            await files.replaceContents([{ path: to, oldContent: "blue", newContent: "green" }]);
            const [result] = await files.replaceContentsDetailed(
                [{ path: to, oldContent: "red", newContent: "<&>" }]);
            assert.equal(result.replacedCount, 2);
            assert.equal(await files.readFile(to), "<&> <&> green");
            await files.deleteFiles([to]);
            await files.deleteFiles([to]);
            assert.equal((await failure(files.readFile(to))).statusCode, 404);
        });

        await test("refusals", async () => {
            await files.writeFiles([{ path: `${home}/there`, data: "" }]);
            const refused = [
                [() => files.moveFiles([{ src: `${home}/none`, dest: `${home}/x` }]), 404],
                [() => files.moveFiles([{ src: `${home}/there`, dest: `${home}/there` }]), 500],
                [() => files.deleteFiles([home]), 500],
                [() => files.listDirectory({ path: `${home}/there` }), 400],
                [() => files.setPermissions([{ path: `${home}/there`, mode: 888 }]), 500],
                [() => files.readFile("$NO_SUCH_VARIABLE/x"), 500],
            ];
            for (const [call, status] of refused) {
                assert.equal((await failure(call())).statusCode, status);
            }
        });
    });
}
