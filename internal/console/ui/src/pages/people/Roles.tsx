// What each role may do, as a table that can be read.
import { CheckOutlined } from "@ant-design/icons";
import { Fragment } from "react";
import { Async, Panel } from "@/kit";
import { grouped } from "@/kit/permissions";
import { useText } from "./texts";
import { useRoles } from "./words";

export function Roles() {
  const t = useText();
  const query = useRoles();
  return (
    <Panel title={t("matrix")} flush>
      <Async query={query}>
        {({ items }) => {
          const groups = grouped(items.flatMap((r) => r.permissions));
          return (
            // It scrolls sideways where it is narrow: by keyboard, too.
            // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
            <div className="matrix" tabIndex={0} role="group" aria-label={t("matrix")}>
              <table>
                <thead>
                  <tr>
                    <th scope="col">{t("mayDo")}</th>
                    {items.map((r) => (
                      <th scope="col" key={r.name}>
                        {t.any(`role.${r.name}`, r.name)}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  <tr>
                    <th scope="row">{t("scopes")}</th>
                    {items.map((r) => (
                      <td key={r.name}>{r.name === "auditor" ? t("noMail") : r.scopes.map((s) => t.any(`scope.${s}`, s)).join(t("or"))}</td>
                    ))}
                  </tr>
                  <tr>
                    <th scope="row">{t("masked")}</th>
                    {items.map((r) => (
                      <td key={r.name}>{r.masked.length ? r.masked.map((m) => t.any(`mask.${m}`, m)).join(t("comma")) : <span className="muted">{t("nothing")}</span>}</td>
                    ))}
                  </tr>
                  {groups.map((g) => (
                    <Fragment key={g.key}>
                      <tr className="group">
                        <th scope="colgroup" colSpan={items.length + 1}>
                          {g.title[t.lang]}
                        </th>
                      </tr>
                      {g.own.map((p) => (
                        <tr key={p}>
                          <th scope="row">{g.permissions[p]![t.lang]}</th>
                          {items.map((r) => (
                            <td key={r.name}>
                              {r.permissions.includes(p) ? (
                                <>
                                  <CheckOutlined style={{ color: "var(--hg-good)" }} aria-hidden />
                                  <span className="unseen">{t("yes")}</span>
                                </>
                              ) : (
                                <>
                                  <span className="muted" aria-hidden>
                                    –
                                  </span>
                                  <span className="unseen">{t("no")}</span>
                                </>
                              )}
                            </td>
                          ))}
                        </tr>
                      ))}
                    </Fragment>
                  ))}
                </tbody>
              </table>
            </div>
          );
        }}
      </Async>
    </Panel>
  );
}
