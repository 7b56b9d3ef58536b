// The bell: what happened since the page was opened that may need a person.
import { BellOutlined } from "@ant-design/icons";
import { Badge, Button, Popover } from "antd";
import { useState } from "react";
import { Link } from "react-router";
import { Time } from "@/kit/Time";
import { useLive, type LiveEvent } from "./live";
import { useMay } from "./session";
import { useText } from "./texts";

/** What is told: topic and state, whom it concerns, and the page where one does something about it. */
const told: Record<string, { permission: string; to: (e: LiveEvent) => string }> = {
  "approval.open": { permission: "approvals.decide", to: () => "/approvals" },
  "review.open": { permission: "contacts.write", to: () => "/review" },
  "outbox.held": { permission: "outbox.read", to: () => "/outbox?state=held" },
  "queue.dead": { permission: "queue.read", to: () => "/queue" },
  "target.failing": { permission: "targets.read", to: () => "/connections" },
  "run.failed": { permission: "rules.read", to: (e) => `/runs/${encodeURIComponent(e.object ?? "")}` },
};
const most = 50;

export function Notes() {
  const t = useText();
  const may = useMay();
  const [events, setEvents] = useState<LiveEvent[]>([]);
  const [unread, setUnread] = useState(0);
  const [open, setOpen] = useState(false);
  useLive(["approval", "review", "outbox", "queue", "target", "run"], (e) => {
    const kind = told[`${e.topic}.${e.what}`];
    if (!kind || !may(kind.permission)) return;
    setEvents((was) => [e, ...was].slice(0, most));
    setUnread((n) => n + 1);
  });
  return (
    <Popover
      trigger="click"
      placement="bottomRight"
      open={open}
      onOpenChange={(next) => {
        setOpen(next);
        setUnread(0);
      }}
      title={t("notes")}
      content={
        events.length ? (
          <ul className="notes">
            {events.map((e) => (
              <li key={e.id}>
                <Link to={told[`${e.topic}.${e.what}`]!.to(e)} onClick={() => setOpen(false)}>
                  <span>
                    {t.any(`note.${e.topic}.${e.what}`)}
                    {e.object && e.topic === "target" ? <span className="muted"> {e.object}</span> : null}
                  </span>
                  <Time at={e.at} plain />
                </Link>
              </li>
            ))}
          </ul>
        ) : (
          <p className="muted" style={{ margin: 0, maxWidth: 280 }}>
            {t("noNotes")}
          </p>
        )
      }
    >
      <Button
        type="text"
        aria-label={unread ? t("notesUnread", { n: unread }) : t("notes")}
        icon={
          <Badge count={unread} size="small" overflowCount={99}>
            <BellOutlined aria-hidden style={{ fontSize: 16, color: "var(--hg-text)" }} />
          </Badge>
        }
      />
    </Popover>
  );
}
