import { act, render, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { setLang, texts } from "./lang";

const useText = texts(
  { mails: "{n} mails by {who}", mails_one: "one mail by {who}", plain: "Plain", "state.held": "held" },
  { mails: "{who} 的 {n} 封邮件", plain: "普通", "state.held": "已扣留" },
);

function Sample() {
  const t = useText();
  return (
    <ul>
      <li>{t("mails", { n: 1, who: "Li" })}</li>
      <li>{t("mails", { n: 12345, who: "{n}" })}</li>
      <li>{t.any("state.held")}</li>
      <li>{t.any("state.new", "new")}</li>
      <li>{t.rich("mails", { n: 2, who: <b>Fang</b> })}</li>
    </ul>
  );
}

test("texts follow the language, numbers and elements", () => {
  act(() => setLang("en", false));
  render(<Sample />);
  const lines = () => screen.getAllByRole("listitem").map((li) => li.innerHTML);
  expect(lines()).toEqual(["one mail by Li", "12,345 mails by {n}", "held", "new", "2 mails by <b>Fang</b>"]);
  act(() => setLang("zh", false));
  expect(lines()).toEqual(["Li 的 1 封邮件", "{n} 的 12,345 封邮件", "已扣留", "new", "<b>Fang</b> 的 2 封邮件"]);
  expect(document.documentElement.lang).toBe("zh-CN");
});
