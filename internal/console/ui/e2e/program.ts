// Starts what the tests look at, once for all of them: the pages alone for shell/, and the program for everything else.
//
// HELIOGRAPH_PAGES names pages that are served already, such as by `npm run dev`: no build is needed then, and no policy is held.
// HELIOGRAPH_BIN names a built program; without it one is built. HELIOGRAPH_URL names one that runs already, with HELIOGRAPH_PEOPLE as it is
// printed by `heliograph demo --json`, and HELIOGRAPH_DEMO with the whole line for tests that send mail.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export type Role = "admin" | "manager" | "agent" | "auditor";
export interface Login {
  address: string;
  password: string;
  with: "password" | "mailbox";
}

/** What `heliograph demo --json` says of itself; of what tests use. */
export interface Demo {
  url: string;
  people: Record<Role, Login>;
  submission: string; // SMTP with STARTTLS
  password: string; // of all mail accounts
}

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../../../..");
const startTime = 120_000;

/** Starts a program and waits until `ready` has made something of its lines. */
export function start<T>(command: string, args: string[], ready: (line: string) => T | undefined): Promise<{ child: ChildProcess; value: T }> {
  return new Promise((resolve, reject) => {
    // In a group of its own: `go run` has a child that must end, too.
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], detached: true });
    const lines: string[] = [];
    const timer = setTimeout(() => {
      end(child);
      reject(new Error(`${command} ${args.join(" ")} did not say that it is ready:\n${lines.join("\n")}`));
    }, startTime);
    const read = (line: string) => {
      lines.push(line);
      const value = ready(line);
      if (value === undefined) return;
      clearTimeout(timer);
      resolve({ child, value });
    };
    createInterface(child.stdout!).on("line", read);
    createInterface(child.stderr!).on("line", read);
    child.on("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`${command} ended with ${code}:\n${lines.join("\n")}`));
    });
  });
}

export function end(child: ChildProcess) {
  try {
    process.kill(-child.pid!, "SIGTERM");
  } catch {
    // It has ended by itself.
  }
}

/** The program; built where nobody named one. Workers find it by HELIOGRAPH_BIN. */
export function program(): string {
  if (process.env.HELIOGRAPH_BIN) return process.env.HELIOGRAPH_BIN;
  const out = join(root, ".cache/heliograph-e2e");
  mkdirSync(join(root, ".cache"), { recursive: true });
  execFileSync("go", ["build", "-o", out, "./cmd/heliograph"], { cwd: root, stdio: "inherit" });
  process.env.HELIOGRAPH_BIN = out;
  return out;
}

export default async function setUp() {
  const children: ChildProcess[] = [];
  if (!process.env.HELIOGRAPH_PAGES) {
    if (!existsSync(join(here, "../dist/app/index.html"))) throw new Error("the pages are not built: make ui");
    const pages = await start("go", ["run", "./internal/console/ui/e2e/serve.go"], (l) => /^http:\/\/\S+$/.exec(l)?.[0]);
    children.push(pages.child);
    process.env.HELIOGRAPH_PAGES = pages.value;
  }

  const programs = readdirSync(here).some((f) => f.endsWith(".spec.ts"));
  if (programs && !process.env.HELIOGRAPH_URL) {
    // One line of JSON: {"url": "http://127.0.0.1:8025", "people": {"admin": {"address": …, "password": …, "with": "password"}, "manager": …}}
    const demo = await start(program(), ["demo", "--json"], (l) => (l.startsWith('{"url"') ? (JSON.parse(l) as Demo) : undefined));
    children.push(demo.child);
    process.env.HELIOGRAPH_URL = demo.value.url;
    process.env.HELIOGRAPH_PEOPLE = JSON.stringify(demo.value.people);
    process.env.HELIOGRAPH_DEMO = JSON.stringify(demo.value);
  }
  return () => children.forEach(end);
}
