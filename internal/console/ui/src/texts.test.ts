// Each area's texts: both languages, the same {names}, each key used and each used key there.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";

const src = join(process.cwd(), "src");
const files = readdirSync(src, { recursive: true }).map((f) => join(src, String(f)));
const areas = files.filter((f) => f.endsWith("/en.json") || f.endsWith("/zh.json")).map(dirname);

type Texts = Record<string, string>;
const read = (file: string) => JSON.parse(readFileSync(file, "utf8")) as Texts;
const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]!);
const plain = (keys: string[]) => keys.filter((k) => !k.endsWith("_one"));

/** The code of an area: its folder and those below that have no texts of their own. */
function code(area: string): string {
  const own = (dir: string) => dir === area || (dir.startsWith(area + "/") && !ancestorsHaveTexts(dir, area));
  return files
    .filter((f) => /\.tsx?$/.test(f) && !/\.test\.tsx?$/.test(f) && statSync(f).isFile() && own(dirname(f)))
    .map((f) => readFileSync(f, "utf8"))
    .join("\n");
}
function ancestorsHaveTexts(dir: string, area: string): boolean {
  for (let d = dir; d !== area; d = dirname(d)) if (existsSync(join(d, "en.json"))) return true;
  return false;
}

describe.each([...new Set(areas)].map((a) => [relative(src, a), a]))("%s", (_, area) => {
  const en = read(join(area, "en.json"));
  const zh = read(join(area, "zh.json"));
  const text = code(area);

  test("has the same keys in both languages", () => {
    expect(plain(Object.keys(zh)).sort()).toEqual(plain(Object.keys(en)).sort());
  });

  test("has no empty text and the same names in both languages", () => {
    for (const key of Object.keys(zh)) {
      expect(zh[key], key).not.toBe("");
      expect(en[key], key).not.toBe("");
      expect([...new Set(names(zh[key]!))].sort(), key).toEqual([...new Set(names(en[key] ?? ""))].sort());
    }
  });

  test("has no key that nothing uses", () => {
    // `state.${s}` uses all keys that begin with "state.", t("state." + s) does as well.
    const prefixes = [...text.matchAll(/[`"]([\w.-]*[.-])(?:\$\{|"\s*\+)/g)].map((m) => m[1]!);
    const patterns = [...text.matchAll(/`((?:[\w.-]*\$\{[^}]*\}[\w.-]*)+)`/g)].map(
      (m) => new RegExp(`^${m[1]!.replace(/\$\{[^}]*\}/g, "\u0000").replace(/[.]/g, "\\.").replaceAll("\u0000", ".+")}$`),
    );
    const unused = plain(Object.keys(en)).filter(
      (key) => !text.includes(`"${key}"`) && !prefixes.some((p) => p && key.startsWith(p)) && !patterns.some((p) => p.source.replace(/[\^$.+\\]/g, "") && p.test(key)),
    );
    expect(unused).toEqual([]);
  });
});

test("problem codes have texts in Chinese, and stand in one file each", () => {
  const dir = join(src, "api/codes");
  const seen = new Map<string, string>();
  for (const file of readdirSync(dir)) {
    const codes = JSON.parse(readFileSync(join(dir, file), "utf8")) as Record<string, { detail: Texts; remedy?: Texts }>;
    for (const [code, { detail, remedy }] of Object.entries(codes)) {
      expect(detail.zh, `${file} ${code}`).toBeTruthy();
      expect(remedy === undefined || remedy.zh, `${file} ${code}`).toBeTruthy();
      expect(seen.get(code), `${code} is in ${file}, too`).toBeUndefined();
      seen.set(code, file);
    }
  }
});
