import { App } from "antd";
import { useEffect } from "react";
import { useBlocker } from "react-router";
import { useText } from "./texts";

/** Asks before a page with unsaved changes is left. */
export function useUnsaved(unsaved: boolean) {
  const t = useText();
  const { modal } = App.useApp();
  const blocker = useBlocker(({ currentLocation, nextLocation }) => unsaved && currentLocation.pathname !== nextLocation.pathname);
  useEffect(() => {
    if (blocker.state !== "blocked") return;
    const asked = modal.confirm({
      title: t("unsaved"),
      content: t("unsavedHint"),
      okText: t("leave"),
      okButtonProps: { danger: true },
      cancelText: t("stay"),
      onOk: () => blocker.proceed(),
      onCancel: () => blocker.reset(),
    });
    return () => asked.destroy();
  }, [blocker, modal, t]);
  useEffect(() => {
    if (!unsaved) return;
    const f = (e: BeforeUnloadEvent) => e.preventDefault();
    window.addEventListener("beforeunload", f);
    return () => window.removeEventListener("beforeunload", f);
  }, [unsaved]);
}
