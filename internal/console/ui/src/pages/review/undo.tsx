import { App, Button } from "antd";
import { useCallback, useRef } from "react";
import { asProblem, words } from "@/api/problem";
import { useText } from "./texts";

/**
 * Says what was done, with a way back: a button for some seconds, and the key u until the next deed.
 *
 *     const { did, undo } = useUndo();
 *     did(t("merged"), () => undoMerge(id));
 */
export function useUndo() {
  const t = useText();
  const { message } = App.useApp();
  const last = useRef<() => Promise<unknown>>(undefined);
  const undo = useCallback(async () => {
    const act = last.current;
    last.current = undefined;
    message.destroy("review");
    if (!act) return;
    try {
      await act();
      void message.success({ key: "review", content: t("undone") });
    } catch (e) {
      const w = words(asProblem(e), t.lang);
      void message.error({ key: "review", duration: 8, content: `${t("notUndone")} ${w.detail} ${w.remedy ?? ""}` });
    }
  }, [message, t]);
  const did = useCallback(
    (text: string, back?: () => Promise<unknown>) => {
      last.current = back;
      void message.success({
        key: "review",
        duration: 8,
        content: (
          <span role="status">
            {text}{" "}
            {back && (
              <Button size="small" type="link" onClick={() => void undo()}>
                {t("undo")} <kbd aria-hidden>U</kbd>
              </Button>
            )}
          </span>
        ),
      });
    },
    [message, t, undo],
  );
  const failed = useCallback(
    (e: unknown) => {
      const w = words(asProblem(e), t.lang);
      const fields = asProblem(e).fields.map((f) => words(f, t.lang).detail);
      void message.error({ key: "review", duration: 8, content: [w.detail, ...fields, w.remedy].filter(Boolean).join(t.lang === "zh" ? "；" : "; ") });
    },
    [message, t],
  );
  return { did, undo: () => void undo(), failed };
}
