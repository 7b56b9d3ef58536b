import { expect, test } from "vitest";
import { said } from "./said";

test("the gateway's own sentences are told in Chinese, those of others stay", () => {
  expect(said("Resume the target when it may go on.", "zh")).toBe("可以继续时，请恢复该连接。");
  expect(said("gave up after 3 attempts: the target has trouble: bad gateway (status 502)", "zh")).toBe("尝试 3 次后放弃：CRM 出现故障: bad gateway （状态码 502）");
  expect(said("Property lead_status does not exist", "zh")).toBe("Property lead_status does not exist");
  expect(said("renew it, then reload with SIGHUP", "en")).toBe("Renew it, then reload with SIGHUP");
  expect(said("waits: paused by a person: 月结", "zh")).toBe("等待：被人暂停: 月结");
  expect(said("this is not an IMAP server, or one that speaks TLS from the first byte: check the port and tls", "zh")).toBe("这不是 IMAP 服务器，或者它一开始就使用 TLS：请检查端口和 tls。");
  expect(said("rule partners: the sender is on its list, and the direction is one of its directions, and a machine wrote it", "zh")).toBe("规则 partners：发件人在名单中，且方向符合，且由程序自动发出");
  expect(said(undefined, "zh")).toBe("");
});
