import { expect, test } from "vitest";
import { around, asked } from "./ask";

test("what is asked for is understood as people paste it", () => {
  expect(asked("  ")).toMatchObject({ kind: "nothing" });
  expect(asked("<20260131.1@corp.example>")).toEqual({ kind: "id", text: "20260131.1@corp.example" });
  expect(asked("Message-ID: <a.b@c>")).toMatchObject({ kind: "id", text: "a.b@c" });
  expect(asked("Anna <Anna@corp.example>")).toEqual({ kind: "address", text: "anna@corp.example" });
  expect(asked("anna@corp.example")).toEqual({ kind: "either", text: "anna@corp.example" });
  expect(asked("01JB8N4C3ZJ6M6Q0V7F5T2K9RD").kind).toBe("entry");
  expect(asked("报价 交期")).toEqual({ kind: "words", text: "报价 交期" });
});

test("the whole head of a mail gives its Message-ID, and hints", () => {
  const head = 'Received: from x\r\nFrom: "Li, Wei" <Li@Kunde.example>\r\nTo: anna@corp.example\r\nDate: Mon, 2 Mar 2026 09:00:00 +0800\r\nMessage-ID:\r\n <1.2@kunde.example>\r\nSubject: hi\r\n';
  expect(asked(head)).toEqual({ kind: "id", text: "1.2@kunde.example", from: "li@kunde.example", to: "anna@corp.example", date: "2026-03-02T01:00:00.000Z" });
  expect(asked("From: a@b.example\nSubject: no id here")).toMatchObject({ kind: "words", text: "no id here" });
});

test("about a time is a day before and after", () => {
  expect(around("2026-03-02T00:00:00.000Z")).toEqual({ since: "2026-03-01T00:00:00.000Z", until: "2026-03-03T00:00:00.000Z" });
  expect(around(undefined)).toEqual({});
});
