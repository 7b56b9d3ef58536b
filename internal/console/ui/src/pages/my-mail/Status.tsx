// Whether my mail is mirrored now, and the switch for it: pause for a while, until I say, or not at all.
import { CheckCircleFilled, DownOutlined, PauseCircleFilled, StopFilled } from "@ant-design/icons";
import { Button, Dropdown, Input, Modal } from "antd";
import { useState } from "react";
import { asProblem } from "@/api/problem";
import { Async, ConfirmAction, Empty, Problem, Time, useFilters } from "@/kit";
import { pauses, type Pause } from "./pause";
import { useChangePrivacy, usePrivacy, type PrivacyOf } from "./usePrivacy";
import { useText } from "./texts";

export function Status() {
  const t = useText();
  const [{ account }] = useFilters({ account: "" });
  const query = usePrivacy(account);
  if (query.error && asProblem(query.error).code === "no_own_account") return <Empty title={t("noAccount")}>{t("noAccountHint")}</Empty>;
  return (
    <div className="my-status panel">
      <Async query={query} lines={2}>
        {(p) => <Now of={p} />}
      </Async>
    </div>
  );
}

function Now({ of }: { of: { data: PrivacyOf; etag: string } }) {
  const t = useText();
  const change = useChangePrivacy(of);
  const [own, setOwn] = useState(false);
  const p = of.data;
  const state = p.opted_out ? "out" : p.paused ? "paused" : "on";
  const Icon = { out: StopFilled, paused: PauseCircleFilled, on: CheckCircleFilled }[state];
  const pause = (until: Pause) => (until === "own" ? setOwn(true) : change.mutate({ paused: true, paused_until: pauses[until]() }));
  return (
    <>
      <div className="my-status-row" data-state={state}>
        <Icon aria-hidden />
        <div className="grow">
          <h2>{state === "paused" && p.paused_until ? t.rich("paused.until", { time: <Time at={p.paused_until} show="exact" /> }) : t(`now.${state}`)}</h2>
          <p className="muted">{t(`now.${state}.text`)}</p>
          <p className="muted small">{p.account}</p>
        </div>
        <div className="row">
          {state === "on" && (
            <Dropdown
              trigger={["click"]}
              menu={{ items: (["hour", "evening", "tomorrow", "week", "own", "open"] as const).map((key) => ({ key, label: t(`pause.${key}`) })), onClick: ({ key }) => pause(key as Pause) }}
            >
              <Button loading={change.isPending} aria-haspopup="menu">
                {t("pause")} <DownOutlined aria-hidden style={{ fontSize: 10 }} />
              </Button>
            </Dropdown>
          )}
          {state === "paused" && (
            <Button type="primary" loading={change.isPending} onClick={() => change.mutate({ paused: false })}>
              {t("resume")}
            </Button>
          )}
          {state === "out" ? (
            <ConfirmAction title={t("optIn.title")} text={t("optIn.text")} action={() => change.mutateAsync({ opted_out: false })}>
              {t("optIn")}
            </ConfirmAction>
          ) : (
            <ConfirmAction title={t("optOut.title")} text={t("optOut.text")} danger button={{ danger: false, type: "text" }} action={() => change.mutateAsync({ opted_out: true })}>
              {t("optOut")}
            </ConfirmAction>
          )}
        </div>
      </div>
      {change.error && asProblem(change.error).status !== 412 && <Problem error={change.error} />}
      <OwnPause open={own} close={() => setOwn(false)} pause={(until) => change.mutateAsync({ paused: true, paused_until: until })} />
    </>
  );
}

function OwnPause({ open, close, pause }: { open: boolean; close: () => void; pause: (until: string) => Promise<unknown> }) {
  const t = useText();
  const [until, setUntil] = useState("");
  const [error, setError] = useState<unknown>();
  const go = async () => {
    try {
      await pause(new Date(until).toISOString());
      close();
    } catch (e) {
      setError(e);
    }
  };
  return (
    <Modal open={open} title={t("pause.own")} onCancel={close} okText={t("pause")} okButtonProps={{ disabled: !until }} onOk={() => void go()} width={420} destroyOnHidden>
      <label style={{ display: "grid", gap: 4 }}>
        <span>{t("until")}</span>
        <Input type="datetime-local" value={until} onChange={(e) => setUntil(e.target.value)} />
      </label>
      {error !== undefined && <Problem error={error} style={{ marginTop: 12 }} />}
    </Modal>
  );
}
