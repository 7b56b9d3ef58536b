import { Button, Progress } from "antd";
import { Panel } from "@/kit";
import type { Import } from "./data";
import { Tally } from "./Tally";
import { useText } from "./texts";

/** A job at work: how far it is, and how to stop it. */
export function Running({ job, title, cancel }: { job: Import; title: string; cancel: () => void }) {
  const t = useText();
  return (
    <Panel title={title} flush extra={<Button onClick={cancel}>{t("cancel")}</Button>}>
      <div className="exchange-progress">
        <Progress percent={job.progress === undefined ? 100 : Math.floor(job.progress * 100)} showInfo={job.progress !== undefined} status="active" aria-label={title} />
      </div>
      <Tally job={job} />
    </Panel>
  );
}
