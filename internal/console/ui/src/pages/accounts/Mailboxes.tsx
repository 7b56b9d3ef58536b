import type { Schemas } from "@/api/client";
import { said } from "@/api/said";
import { Empty, number, Panel, Time } from "@/kit";
import { useText } from "./texts";

/** The mailboxes of an account, and what of each was captured. */
export function Mailboxes({ boxes }: { boxes: Schemas["operations"]["Mailbox"][] }) {
  const t = useText();
  return (
    <Panel title={t("mailboxes")} flush>
      {boxes.length === 0 ? (
        <Empty title={t("noMailboxes")}>{t("noMailboxesHint")}</Empty>
      ) : (
        <div className="listing">
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls can be scrolled by keyboard */}
          <div className="scroll" tabIndex={0} role="group" aria-label={t("mailboxes")}>
            <table aria-label={t("mailboxes")}>
              <thead>
                <tr>
                  <th scope="col">{t("mailbox")}</th>
                  {(["captured", "pending", "excluded", "gone", "failed"] as const).map((k) => (
                    <th key={k} scope="col" data-align="right">
                      {t(`count.${k}`)}
                    </th>
                  ))}
                  <th scope="col">{t("changedAt")}</th>
                </tr>
              </thead>
              <tbody>
                {boxes.map((b) => (
                  <tr key={`${b.name} ${b.uidvalidity}`}>
                    <th scope="row" style={{ color: "inherit", fontWeight: 400, whiteSpace: "normal" }}>
                      {t.any(`folder.${b.name.toLowerCase()}`, b.name)}
                      {b.reasons?.map((r) => (
                        <div key={r.reason} className="small muted ac-any">
                          {number(r.count, t.lang)} × {said(r.reason, t.lang)}
                        </div>
                      ))}
                    </th>
                    {(["captured", "pending", "excluded", "gone", "failed"] as const).map((k) => (
                      <td key={k} data-align="right">
                        {k === "failed" && b[k] > 0 ? <strong className="ac-bad">{number(b[k], t.lang)}</strong> : number(b[k], t.lang)}
                      </td>
                    ))}
                    <td>
                      <Time at={b.changed_at} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </div>
      )}
    </Panel>
  );
}
