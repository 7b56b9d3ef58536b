import { ArrowDownOutlined, ArrowUpOutlined } from "@ant-design/icons";
import { Time } from "@/kit";
import { useText } from "./texts";

interface Contact {
  last_at?: string;
  last_in?: string;
  last_out?: string;
}

/** Whether they wrote last: then an answer may be due. */
export const unanswered = (c: Contact) => Boolean(c.last_in && (!c.last_out || c.last_in > c.last_out));

/** When there was mail last, and who wrote it. */
export function LastContact({ of }: { of: Contact }) {
  const t = useText();
  if (!of.last_at) return <span className="muted">{t("never")}</span>;
  const theirs = unanswered(of);
  const Arrow = theirs ? ArrowDownOutlined : ArrowUpOutlined;
  return (
    <span className="last-contact" data-theirs={theirs || undefined}>
      <Arrow aria-hidden /> <Time at={of.last_at} />
      <span className="muted small"> {theirs ? t("theyWrote") : t("weWrote")}</span>
    </span>
  );
}
