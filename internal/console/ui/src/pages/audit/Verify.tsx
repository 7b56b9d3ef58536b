import { SafetyCertificateOutlined } from "@ant-design/icons";
import { Alert, Button, Modal } from "antd";
import { useMutation } from "@tanstack/react-query";
import { useEffect } from "react";
import { api, ok } from "@/api/client";
import { Loading, Problem, Time, useFilters } from "@/kit";
import { useText } from "./texts";

/** Checks that no row of the record was changed or taken away, and says in words what was found. */
export function Verify() {
  const t = useText();
  const [{ verify }, go] = useFilters({ verify: "" });
  const open = verify === "1";
  const check = useMutation({ mutationFn: () => ok(api.POST("/api/v1/audit/verify")) });
  const v = check.data;
  const { mutate } = check;
  useEffect(() => {
    if (open) mutate();
  }, [open, mutate]);
  return (
    <>
      <Button
        icon={<SafetyCertificateOutlined aria-hidden />}
        aria-haspopup="dialog"
        onClick={() => go({ verify: "1" })}
      >
        {t("verify")}
      </Button>
      <Modal open={open} onCancel={() => go({ verify: "" })} onOk={() => go({ verify: "" })} cancelButtonProps={{ style: { display: "none" } }} okText={t("close")} title={t("verifyTitle")} width={520}>
        <p style={{ marginTop: 0 }}>{t("verifyHint")}</p>
        {check.isPending && <Loading lines={2} />}
        {check.error && <Problem error={check.error} again={() => check.mutate()} />}
        {v?.whole && (
          <Alert
            type="success"
            showIcon
            title={t("whole")}
            description={
              <>
                {t("wholeHint", { n: v.rows })} {(v.first ?? 1) > 1 && t("pruned", { n: v.first! })} <Time at={v.checked_at} />
              </>
            }
          />
        )}
        {v && !v.whole && (
          <Alert
            type="error"
            showIcon
            title={v.broken ? t("brokenAt", { n: v.broken.seq }) : t("broken")}
            description={
              <>
                <p style={{ margin: "0 0 8px" }}>{v.broken?.code ? t(`broken.${v.broken.code}`) : v.broken?.reason}</p>
                {t("brokenHint")}
              </>
            }
          />
        )}
      </Modal>
    </>
  );
}
