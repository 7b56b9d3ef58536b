import { expect, test } from "vitest";
import { meaning } from "./plain";

test("replies of servers are told by status, by words, or by their class", () => {
  expect(meaning({ code: 250, enhanced: "2.0.0", reply: "Ok: queued" })).toBe("accepted");
  expect(meaning({ code: 550, enhanced: "5.1.1", reply: "no such user" })).toBe("noMailbox");
  expect(meaning({ code: 452, enhanced: "4.2.2", reply: "quota" })).toBe("full");
  expect(meaning({ code: 550, reply: "Message rejected as spam" })).toBe("policy");
  expect(meaning({ code: 451, enhanced: "4.7.1", reply: "Greylisted" })).toBe("later");
  expect(meaning({ reply: "dial tcp: connection refused" })).toBe("noAnswer");
  expect(meaning({ code: 554, reply: "no" })).toBe("refused");
  expect(meaning({ code: 421, reply: "bye" })).toBe("later");
  expect(meaning({ reply: "gave up" })).toBe("");
});
