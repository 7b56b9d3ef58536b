import { Button, Input, Modal, type ButtonProps } from "antd";
import { useId, useState, type ReactNode } from "react";
import { Problem } from "./Async";
import { useText } from "./texts";

/**
 * A button for what should not happen by accident: it asks first, for a reason where one is kept, and shows what went wrong
 * where the person is looking.
 *
 *     <ConfirmAction title={t("discard")} text={t("discardHint")} reason="required" danger action={(reason) => discard(reason)}>
 *       {t("discard")}
 *     </ConfirmAction>
 */
export function ConfirmAction({
  title,
  text,
  reason = "none",
  action,
  confirm,
  danger,
  children,
  body,
  button,
}: {
  title: string;
  text?: ReactNode;
  reason?: "none" | "optional" | "required";
  action: (reason: string) => Promise<unknown>;
  confirm?: string; // the button of the question; like the first one by default
  danger?: boolean;
  children: ReactNode;
  body?: ReactNode; // more inputs
  button?: ButtonProps;
}) {
  const t = useText();
  const id = useId();
  const [open, setOpen] = useState(false);
  const [why, setWhy] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const run = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await action(why.trim());
      setOpen(false);
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  const show = () => {
    setWhy("");
    setError(undefined);
    setOpen(true);
  };
  return (
    <>
      <Button danger={danger} {...button} onClick={show} aria-haspopup="dialog">
        {children}
      </Button>
      <Modal
        open={open}
        title={title}
        onCancel={() => !busy && setOpen(false)}
        onOk={() => void run()}
        okText={confirm ?? children}
        okButtonProps={{ danger, loading: busy, disabled: reason === "required" && !why.trim() }}
        destroyOnHidden
        width={480}
      >
        {text && <p style={{ marginTop: 0 }}>{text}</p>}
        {body}
        {reason !== "none" && (
          <>
            <label htmlFor={id} style={{ display: "block", marginBottom: 4 }}>
              {reason === "required" ? t("reason") : t("reasonOptional")}
            </label>
            <Input.TextArea id={id} value={why} onChange={(e) => setWhy(e.target.value)} autoSize={{ minRows: 2, maxRows: 6 }} maxLength={500} required={reason === "required"} />
          </>
        )}
        {error !== undefined && <Problem error={error} style={{ marginTop: 12 }} />}
      </Modal>
    </>
  );
}
