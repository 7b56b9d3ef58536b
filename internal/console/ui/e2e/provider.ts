// The company's mail provider of provider.go, for a test that enrols accounts or watches mailboxes.
import { end, start } from "./program";

interface Said {
  smtp: string;
  imap: string;
  cloud_smtp: string;
  cloud_imap: string;
  url: string;
}

export async function mailProvider() {
  const { child, value } = await start("go", ["run", "./internal/console/ui/e2e/provider.go"], (l) => (l.startsWith('{"') ? (JSON.parse(l) as Said) : undefined));
  const post = async (path: string, body = "") => {
    const r = await fetch(value.url + path, { method: "POST", body });
    if (!r.ok) throw new Error(`${path}: ${await r.text()}`);
  };
  return {
    /** Its entries of the list of upstreams. The gateway signs in with what employees give it. */
    upstreams: `  - {name: company, domains: [mail.sunrise.example], sign_in: enrolled, smtp: {address: "${value.smtp}", tls: none}, imap: {address: "${value.imap}", tls: none}}
  - {name: cloud, domains: [cloud.example], sign_in: enrolled, oauth2: {client_id: app, token_url: "${value.url}/token", device_url: "${value.url}/device"}, smtp: {address: "${value.cloud_smtp}", tls: none}, imap: {address: "${value.cloud_imap}", tls: none}}
`,
    /** How cloud.example answers all device codes from now on: good, or an error. */
    say: (answer: string) => post(`/say?answer=${answer}`),
    /** A mail from outside. */
    deliver: (to: string, mail: string) => post(`/deliver?to=${encodeURIComponent(to)}`, mail.replace(/\r?\n/g, "\r\n")),
    close: () => end(child),
  };
}
