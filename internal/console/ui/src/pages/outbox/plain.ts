// What a mail server's reply means, for people who do not read status codes. The server's own words stand beside it.
export interface Said {
  code?: number;
  enhanced?: string;
  reply?: string;
}

const byStatus: [RegExp, string][] = [
  [/^5\.1\.[1236]|^5\.1\.10/, "noMailbox"],
  [/^5\.1\.[78]/, "badSender"],
  [/^[45]\.2\.2/, "full"],
  [/^5\.2\.1/, "disabled"],
  [/^[45]\.2\.3|^5\.3\.4/, "tooBig"],
  [/^[45]\.4\.[17]|^4\.4\./, "noAnswer"],
  [/^5\.4\./, "noWay"],
  [/^4\.7\./, "later"],
  [/^5\.7\.(8|9|1[0-4])/, "signIn"],
  [/^5\.7\./, "policy"],
  [/^[45]\.3\./, "serverTrouble"],
];
const byWords: [RegExp, string][] = [
  [/greylist|grey-list|try again later|too many|rate limit|throttl|频率|稍后/i, "later"],
  [/no such (user|recipient)|user (unknown|not found|doesn'?t exist)|unknown user|mailbox not found|不存在/i, "noMailbox"],
  [/quota|mailbox (is )?full|over ?quota|已满/i, "full"],
  [/spam|blocked|blacklist|reputation|dmarc|spf|dkim|垃圾|拒收/i, "policy"],
  [/timeout|timed out|connection (refused|reset)|no route|dial|eof|i\/o/i, "noAnswer"],
  [/no such host|no mx|nxdomain/i, "noWay"],
  [/too (big|large)|exceeds|size/i, "tooBig"],
  [/auth|login|password|credential|授权/i, "signIn"],
];

/** A key of texts: reply.KEY. */
export function meaning({ code, enhanced, reply }: Said): string {
  if (code !== undefined && code >= 200 && code < 300) return "accepted";
  for (const [pattern, key] of byStatus) if (enhanced && pattern.test(enhanced)) return key;
  for (const [pattern, key] of byWords) if (reply && pattern.test(reply)) return key;
  if (code !== undefined && code >= 500) return "refused";
  if (code !== undefined && code >= 400) return "later";
  return "";
}
