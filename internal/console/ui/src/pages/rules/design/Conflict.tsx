// Somebody else saved in between: who, what they changed, what is changed here, and what is to count.
import { Button, Modal } from "antd";
import { Time } from "@/kit";
import { useEditor } from "./editor";
import { differences, get, pointer, set, type Obj, type Path } from "./json";
import { placeName } from "./places";
import type { Loaded } from "./Design";
import { useText } from "../texts";

export function Conflict({ theirs, settle, mine, base }: { theirs: Loaded; settle: (rule: Obj | undefined, alsoSave: boolean) => void; mine: Obj; base: Obj }) {
  const t = useText();
  const { vocab } = useEditor();
  const other = theirs.data.rule as Obj;
  const yours = differences(base, mine);
  const they = differences(base, other);
  const meet = (a: Path, b: Path) => pointer(a) === pointer(b) || pointer(a).startsWith(`${pointer(b)}/`) || pointer(b).startsWith(`${pointer(a)}/`);
  const both = yours.filter((a) => they.some((b) => meet(a, b)));
  const merged = () => yours.reduce<Obj>((r, path) => set(r, path, get(mine, path)), other);
  const name = (rule: Obj, p: Path) => placeName(rule, p, vocab, t.lang, t);
  const list = (rule: Obj, paths: Path[]) => (
    <ul>
      {paths.map((p) => (
        <li key={pointer(p)}>{name(rule, p)}</li>
      ))}
      {!paths.length && <li className="muted">{t("nothingElse")}</li>}
    </ul>
  );
  return (
    <Modal
      open
      title={t("conflict")}
      width={620}
      onCancel={() => settle(undefined, false)}
      footer={
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button onClick={() => settle(undefined, false)}>{t("later")}</Button>
          <Button onClick={() => settle(other, false)}>{t("takeTheirs")}</Button>
          <Button danger={both.length > 0} onClick={() => settle(mine, true)}>
            {t("keepMine")}
          </Button>
          {!both.length && (
            <Button type="primary" onClick={() => settle(merged(), true)}>
              {t("merge")}
            </Button>
          )}
        </div>
      }
    >
      <p>{t.rich("conflictBy", { who: <strong>{theirs.data.updated_by ?? t("somebody")}</strong>, time: <Time at={theirs.data.updated_at} /> })}</p>
      <div className="rd-clash">
        <section>
          <h3>{t("theyChanged")}</h3>
          {list(other, they)}
        </section>
        <section>
          <h3>{t("youChanged")}</h3>
          {list(mine, yours)}
        </section>
      </div>
      <p className={both.length ? undefined : "muted"}>{both.length ? t("bothChanged", { what: both.map((p) => name(mine, p)).join("、") }) : t("canMerge")}</p>
    </Modal>
  );
}
