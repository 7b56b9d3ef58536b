// Sends mail as a mail program does: SMTP with STARTTLS and a login, at the gateway's listener. The certificate is the demo's own.
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { connect as secure } from "node:tls";
import type { Demo } from "./program";

export const demo = () => JSON.parse(process.env.HELIOGRAPH_DEMO ?? "{}") as Demo;

/** Reads answers of a server, one at a time; each ends with a line without a hyphen after its code. */
function answers(socket: Socket) {
  let text = "";
  const waiting: { resolve: (answer: string) => void; reject: (e: Error) => void }[] = [];
  const look = () => {
    const end = /^\d{3} .*\r\n/m.exec(text);
    if (!end || !waiting.length) return;
    const until = end.index + end[0].length;
    const answer = text.slice(0, until);
    text = text.slice(until);
    waiting.shift()!.resolve(answer);
    look();
  };
  socket.on("data", (d: Buffer) => {
    text += d.toString("utf8");
    look();
  });
  socket.on("error", (e) => waiting.splice(0).forEach((w) => w.reject(e)));
  socket.on("close", () => waiting.splice(0).forEach((w) => w.reject(new Error("the connection was closed"))));
  return (want: number) =>
    new Promise<string>((resolve, reject) => {
      waiting.push({ resolve, reject });
      look();
    }).then((a) => {
      if (!a.startsWith(String(want))) throw new Error(`wanted ${want}, got ${a}`);
      return a;
    });
}

/** Submits a mail, which is given as it stands: head, empty line, body. */
export async function send(from: string, to: string[], mail: string) {
  const { submission, password } = demo();
  if (!submission) throw new Error("HELIOGRAPH_DEMO does not say where the demo takes mail");
  const [host, port] = [submission.slice(0, submission.lastIndexOf(":")), Number(submission.slice(submission.lastIndexOf(":") + 1))];
  const plain = connect(port, host);
  let read = answers(plain);
  const say = (socket: Socket, line: string, want: number) => (socket.write(`${line}\r\n`), read(want));
  await read(220);
  await say(plain, "EHLO laptop", 250);
  await say(plain, "STARTTLS", 220);
  plain.removeAllListeners("data");
  const socket = secure({ socket: plain, servername: "localhost", rejectUnauthorized: false });
  await new Promise<void>((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  read = answers(socket);
  await say(socket, "EHLO laptop", 250);
  await say(socket, `AUTH PLAIN ${Buffer.from(`\0${from}\0${password}`).toString("base64")}`, 235);
  await say(socket, `MAIL FROM:<${from}>`, 250);
  for (const one of to) await say(socket, `RCPT TO:<${one}>`, 250);
  await say(socket, "DATA", 354);
  const lines = mail.replace(/\r?\n/g, "\r\n").replace(/^\./gm, "..");
  await say(socket, `${lines}\r\n.`, 250);
  socket.write("QUIT\r\n");
  socket.end();
}

/** Gives a mail to a listener at a port of this machine that asks for no login. */
export async function relay(port: number, from: string, to: string, mail: string) {
  const socket = connect(port, "127.0.0.1");
  const read = answers(socket);
  const say = (line: string, want: number) => (socket.write(`${line}\r\n`), read(want));
  await read(220);
  await say("EHLO laptop", 250);
  await say(`MAIL FROM:<${from}>`, 250);
  await say(`RCPT TO:<${to}>`, 250);
  await say("DATA", 354);
  await say(`${mail.replace(/\r?\n/g, "\r\n").replace(/^\./gm, "..")}\r\n.`, 250);
  socket.end("QUIT\r\n");
}

/** A mail server that takes all it is given. */
export function taker(): Promise<{ port: number; close: () => void }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket.once("close", () => open.delete(socket)).on("error", () => undefined));
    socket.write("220 mail.sunrise.example ESMTP\r\n");
    let text = "";
    let data = false;
    socket.on("data", (d: Buffer) => {
      text += d.toString("latin1");
      for (let end = text.indexOf("\r\n"); end >= 0; end = text.indexOf("\r\n")) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (data) {
          if (line !== ".") continue;
          data = false;
        } else if (/^DATA$/i.test(line)) {
          data = true;
          socket.write("354 go on\r\n");
          continue;
        }
        socket.write(/^QUIT/i.test(line) ? "221 bye\r\n" : "250 ok\r\n");
      }
    });
  });
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () => {
          server.close();
          for (const s of open) s.destroy();
        },
      }),
    ),
  );
}

/** A text in a head that says what it likes. */
export const word = (text: string) => `=?utf-8?B?${Buffer.from(text).toString("base64")}?=`;
