// How one gets an authorization code or app password at a provider, by the preset of its upstream.
export type Guide = "qq" | "netease" | "exmail" | "enterprise" | "feishu" | "google" | "icloud" | "microsoft" | "app" | "plain";

const families: [RegExp, Guide, string?][] = [
  [/^qq$/, "qq", "https://wx.mail.qq.com/"],
  [/^(163|126|yeah|163-vip|vip163)$/, "netease"],
  [/^exmail/, "exmail", "https://exmail.qq.com/"],
  [/^(qiye163|aliyun)/, "enterprise"],
  [/^(feishu|lark)$/, "feishu"],
  [/^(gmail|workspace)$/, "google", "https://myaccount.google.com/apppasswords"],
  [/^icloud$/, "icloud", "https://account.apple.com/"],
  [/^(outlook|microsoft365)/, "microsoft"],
  [/^(yahoo|fastmail|yandex)$/, "app"],
];

/** Which steps to tell, and where they begin, if that has one address for all. */
export function guideOf(preset: string | undefined): { guide: Guide; url?: string } {
  for (const [pattern, guide, url] of families) if (preset && pattern.test(preset)) return { guide, url };
  return { guide: "plain" };
}
