// Compresses what vite built, and fails when the first load weighs too much: the entry, the overview, and all that
// both import before they show anything.
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const most = 400 * 1024;
const dist = fileURLToPath(new URL("../dist/app/", import.meta.url));
const manifest = JSON.parse(readFileSync(join(dist, ".vite/manifest.json"), "utf8"));

const weights = new Map();
for (const entry of readdirSync(dist, { recursive: true })) {
  const file = join(dist, entry);
  if (!statSync(file).isFile() || !/\.(js|css|svg|html|json)$/.test(entry) || entry.startsWith(".vite")) continue;
  const text = readFileSync(file);
  const gz = gzipSync(text, { level: 9 });
  weights.set(entry.replaceAll("\\", "/"), gz.length);
  if (text.length < 1024) continue; // not worth a second file
  writeFileSync(`${file}.gz`, gz);
  writeFileSync(`${file}.br`, brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }));
}

const needed = new Set(["index.html"]);
const need = (key) => {
  const chunk = manifest[key];
  if (!chunk || needed.has(chunk.file)) return;
  needed.add(chunk.file);
  for (const css of chunk.css ?? []) needed.add(css);
  for (const each of chunk.imports ?? []) need(each);
};
need("index.html");
for (const key of Object.keys(manifest)) {
  if (/^src\/pages\/overview\/[^/]+\.tsx$/.test(key)) need(key);
}
let sum = 0;
const rows = [...needed].map((f) => [f, weights.get(f) ?? 0]).sort((a, b) => b[1] - a[1]);
for (const [file, size] of rows) {
  sum += size;
  console.log(`${String(Math.ceil(size / 1024)).padStart(5)} KB  ${file}`);
}
console.log(`${String(Math.ceil(sum / 1024)).padStart(5)} KB  first load, gzipped; at most ${most / 1024}`);
if (sum > most) {
  console.error("The first load is too heavy: import what is not needed at once by import().");
  process.exit(1);
}
if (existsSync(join(dist, ".vite"))) rmSync(join(dist, ".vite"), { recursive: true });
