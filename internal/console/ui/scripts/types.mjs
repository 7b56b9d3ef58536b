// Makes src/api/gen: the types of each Part's openapi.yaml, one module per Part, and an index that joins their paths.
// A path in two Parts, or a reference to nothing, is an error; a Part that is broken keeps the types it had. Only the checks
// need types, the build does not.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";
import { parse } from "yaml";

const api = new URL("../../api/", import.meta.url);
const out = new URL("../src/api/gen/", import.meta.url);

const parts = readdirSync(api, { withFileTypes: true })
  .filter((d) => d.isDirectory() && existsSync(new URL(`${d.name}/openapi.yaml`, api)))
  .map((d) => d.name)
  .sort();
const core = parse(readFileSync(new URL("openapi.yaml", api), "utf8"));

mkdirSync(out, { recursive: true });
const write = (name, text) => {
  const file = new URL(name, out);
  if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text);
};

const seen = new Map();
let broken = 0;
for (const part of parts) {
  try {
    write(`${part}.ts`, await types(part));
  } catch (error) {
    broken++;
    console.error(`${part}/openapi.yaml: ${error.message}`);
    if (!existsSync(new URL(`${part}.ts`, out))) {
      write(`${part}.ts`, "export interface paths {}\nexport interface components { schemas: Record<string, never> }\n");
    }
  }
}

// What is common stands in the core's document; a Part sees it as its own.
async function types(part) {
  const text = readFileSync(new URL(`${part}/openapi.yaml`, api), "utf8");
  const document = parse(text.replaceAll("../openapi.yaml#", "#"));
  for (const path of Object.keys(document.paths ?? {})) {
    if (seen.has(path)) throw new Error(`${path} is in ${seen.get(path)}, too`);
    seen.set(path, part);
  }
  document.components ??= {};
  for (const [kind, things] of Object.entries(core.components ?? {})) {
    document.components[kind] = { ...things, ...document.components[kind] };
  }
  const ast = await openapiTS(JSON.stringify(document), { alphabetize: false, defaultNonNullable: false });
  return `// Made by scripts/types.mjs from internal/console/api/${part}/openapi.yaml.\n${astToString(ast)}`;
}

const imports = parts.map((p) => `import type * as ${p} from "./${p}";`).join("\n");
const paths = parts.map((p) => `${p}.paths`).join(", ");
const schemas = parts.map((p) => `  ${p}: ${p}.components["schemas"];`).join("\n");
write(
  "index.ts",
  `// Made by scripts/types.mjs.
${imports}

export interface paths${paths ? ` extends ${paths}` : ""} {}

/** The schemas of each Part: Schemas["mail"]["Message"]. */
export interface Schemas {
${schemas}
}
`,
);
for (const file of readdirSync(out)) {
  if (file !== "index.ts" && !parts.includes(file.replace(/\.ts$/, ""))) rmSync(new URL(file, out));
}
if (broken) process.exit(1);
console.log(`types of ${parts.join(", ")} in ${fileURLToPath(out)}`);
