import { useSyncExternalStore } from "react";

const narrow = window.matchMedia("(max-width: 860px)");

/** Whether the window is as narrow as a phone's; the same width as in app.css. */
export const useNarrow = () =>
  useSyncExternalStore(
    (f) => {
      narrow.addEventListener("change", f);
      return () => narrow.removeEventListener("change", f);
    },
    () => narrow.matches,
  );
