import { useText } from "./texts";
import { useHolds } from "./useHolds";

/** Says in the navigation that everything stands still: nobody should have to look for the reason. */
export function AllHeld() {
  const t = useText();
  const { data } = useHolds();
  return data?.all ? <span className="badge">{t("badge")}</span> : null;
}
