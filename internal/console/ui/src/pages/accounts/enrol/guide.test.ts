import { expect, test } from "vitest";
import en from "./en.json";
import zh from "./zh.json";
import { guideOf } from "./guide";

test("each provider has steps in both languages", () => {
  for (const preset of ["qq", "163", "126", "exmail", "exmail-abroad", "qiye163-free", "aliyun", "feishu", "gmail", "icloud", "microsoft365-china", "yahoo", "dovecot", undefined]) {
    const { guide } = guideOf(preset);
    expect(en).toHaveProperty([`guide.${guide}.1`]);
    expect(zh).toHaveProperty([`guide.${guide}.1`]);
  }
  expect(guideOf("exmail-abroad").guide).toBe("exmail");
  expect(guideOf("dovecot").guide).toBe("plain");
});
