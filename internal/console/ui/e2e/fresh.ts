// A gateway that nobody has set up, for the tests of the first sign-in: it has a folder of its own and ends with the test.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, type Page } from "@playwright/test";
import { end, program, start } from "./program";

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (address && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}

interface Options {
  /** The port of a mail server here. */
  upstream?: number;
  /** More of them, as entries of a list in YAML. */
  upstreams?: string;
  /** What its configuration has besides. */
  more?: string;
}

/** Starts one; link makes its first administrator. Passkeys need localhost. */
export async function freshGateway({ upstream = 25, upstreams = "", more = "" }: Options = {}) {
  const folder = mkdtempSync(join(tmpdir(), "heliograph-fresh-"));
  const [port, smtp] = [await freePort(), await freePort()];
  const url = `http://localhost:${port}`;
  const config = join(folder, "config.yaml");
  writeFileSync(
    config,
    `data_dir: data
upstreams:
  - {name: main, domains: [sunrise.example], smtp: {address: "127.0.0.1:${upstream}", tls: none}}
${upstreams}listeners:
  - {protocol: smtp, address: "127.0.0.1:${smtp}", tls: none, mode: relay, upstream: main, networks: [127.0.0.1]}
console:
  address: "127.0.0.1:${port}"
  public_url: "${url}"
${more}`,
  );
  const { child, value } = await start(program(), ["serve", "-c", config], (line) => {
    try {
      const said = JSON.parse(line) as { link?: string };
      return said.link?.includes("/setup#") ? said.link : undefined;
    } catch {
      return undefined; // not everything that it says is for programs
    }
  });
  return {
    url,
    link: value,
    smtp, // the port that takes mail, without a login
    /** Runs a command of the program beside it. */
    run: (args: string[], input: string) => execFileSync(program(), [...args, "-c", config], { input }),
    close: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      end(child);
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Makes the first administrator of a fresh gateway, by the link that it shows; the page is signed in then. */
export async function firstAdmin(page: Page, link: string) {
  await page.goto(link);
  await page.getByLabel("姓名").fill("孙明");
  await page.getByLabel("邮箱地址").fill("sun.ming@sunrise.example");
  await page.getByLabel("密码", { exact: true }).fill("四个词连在一起就很好记了吧");
  await page.getByLabel("再次输入密码").fill("四个词连在一起就很好记了吧");
  await page.getByRole("button", { name: "设置并登录" }).click();
  await expect(page).toHaveURL(/\/me\/security$/);
}
