import { Head } from "@/kit";
import { RunList } from "./RunList";
import { useText } from "./texts";

/** What rules did, the newest first. */
export default function RunsPage() {
  const t = useText();
  return (
    <>
      <Head title={t("title")}>{t("hint")}</Head>
      <RunList />
    </>
  );
}
