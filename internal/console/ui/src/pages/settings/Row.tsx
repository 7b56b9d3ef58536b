import { UndoOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useId } from "react";
import { State } from "@/kit";
import { useDraft } from "./draft";
import { Value } from "./Value";
import { SecretInput, SettingInput } from "./inputs";
import { useText } from "./texts";
import { keep, without, type Setting } from "./tree";
import { useWords } from "./words";

/** One key: what it is called and does, its value, where that comes from. */
export function Row({ setting }: { setting: Setting }) {
  const t = useText();
  const words = useWords();
  const id = useId();
  const { draft, setDraft, mistakes, write } = useDraft();
  const changed = setting.path in draft.set;
  const next = draft.set[setting.path];
  const value = changed ? (next === null ? setting.default : next) : setting.value;
  const change = (v: unknown) => setDraft((d) => keep(d, setting, v));
  const undo = () => setDraft((d) => ({ ...d, set: without(d.set, setting.path) }));
  const mistake = mistakes[setting.path];
  const help = words.help(setting);
  const name = words.label(setting);
  return (
    <div className="setting" data-changed={changed || undefined} data-mistake={mistake ? true : undefined}>
      <div>
        <label htmlFor={id}>{name}</label>
        {help && <p id={`${id}-help`}>{help}</p>}
        <code>{setting.path}</code>
      </div>
      <div>
        {!write ? (
          <Value setting={setting} value={value} id={id} />
        ) : setting.type === "secret" ? (
          <SecretInput id={id} setting={setting} value={changed ? next : undefined} change={change} undo={undo} />
        ) : (
          <SettingInput id={id} kind={setting.type} element={setting.element} options={setting.enum} value={value} fallback={setting.default} change={change} described={help ? `${id}-help` : undefined} name={name} />
        )}
        {mistake && (
          <p className="mistake" role="alert">
            {mistake}
          </p>
        )}
        <div className="setting-meta">
          {changed ? (
            <>
              <State tone="info">{next === null ? t("willBeDefault") : t("changed")}</State>
              <Button size="small" type="link" icon={<UndoOutlined aria-hidden />} onClick={undo}>
                {t("undo")}
              </Button>
            </>
          ) : setting.type === "secret" ? null : setting.set ? (
            <>
              <span>{setting.line ? t("inFile", { n: setting.line }) : t("set")}</span>
              {write && (
                <Button size="small" type="link" onClick={() => change(null)}>
                  {t("useDefault")}
                </Button>
              )}
            </>
          ) : (
            <span>{t("isDefault")}</span>
          )}
          {setting.restart && <span>{t("restart")}</span>}
        </div>
      </div>
    </div>
  );
}
