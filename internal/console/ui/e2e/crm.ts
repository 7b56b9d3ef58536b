// A CRM over HTTP, for tests in which it does what no CRM should.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** It takes what is posted, unless it refuses. closed: nothing listens where it says that it is. */
export async function crm({ closed = false } = {}) {
  const posts: string[] = [];
  const state = { refuses: false, refused: 0 };
  const server = createServer((q, w) => {
    q.resume().on("end", () => {
      if (q.method === "POST" && state.refuses) state.refused++;
      else if (q.method === "POST") posts.push(q.url ?? "");
      w.writeHead(q.method === "POST" && state.refuses ? 422 : 200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => (server.closeAllConnections(), server.close());
  if (closed) await new Promise((resolve) => server.close(resolve));
  const url = `http://127.0.0.1:${port}`;
  /** Its entry of the list of targets. */
  const target = (name: string) => `  - {name: ${name}, type: webhook, url: "${url}", secret: "0123456789abcdef0123456789abcdef"}\n`;
  return { posts, state, target, close };
}
