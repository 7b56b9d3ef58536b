import { SearchOutlined } from "@ant-design/icons";
import { Button, Input, Modal, type InputRef } from "antd";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { Empty, Loading, Problem, useTyped } from "@/kit";
import type { LinkedTo } from "./decide";
import type { Review } from "./lists";
import { useText } from "./texts";

type Customer = Schemas["mail"]["CustomerSummary"];

/** Finds the contact that somebody is. */
export function LinkTo({ review, close, link }: { review: Review | undefined; close: () => void; link: (to: LinkedTo) => Promise<void> }) {
  const t = useText();
  return (
    <Modal open={Boolean(review)} onCancel={close} title={t("linkTitle", { who: review?.name || review?.subject || "" })} footer={null} width={560} destroyOnHidden>
      {review && <Find review={review} close={close} link={link} />}
    </Modal>
  );
}

function Find({ review, close, link }: { review: Review; close: () => void; link: (to: LinkedTo) => Promise<void> }) {
  const t = useText();
  const [q, setQ] = useState(review.name ?? "");
  const [typed, type] = useTyped(q, setQ);
  const focused = useRef<InputRef>(null);
  useEffect(() => focused.current?.focus({ cursor: "all" }), []);
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState("");
  const query = useQuery({
    queryKey: ["customers", "to link", q],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/customers", { params: { query: { q: q || undefined, known: true, kind: "person", limit: 20 } }, signal })),
    placeholderData: (before) => before,
  });
  const choose = async (c: Customer) => {
    setBusy(c.id);
    setError(undefined);
    try {
      const { records } = await ok(api.GET("/api/v1/customers/{id}", { params: { path: { id: c.id } } }));
      const first = records?.[0];
      if (!first) throw new Error(t("noRecord"));
      await link({ id: first.id, target: first.target, name: c.name });
      close();
    } catch (e) {
      setError(e);
    } finally {
      setBusy("");
    }
  };
  return (
    <>
      <Input ref={focused} prefix={<SearchOutlined aria-hidden />} value={typed} onChange={(e) => type(e.target.value)} placeholder={t("linkFind")} aria-label={t("linkFind")} maxLength={200} />
      {error !== undefined && <Problem error={error} style={{ marginTop: 12 }} />}
      <div className="review-found">
        {query.error && <Problem error={query.error} again={() => void query.refetch()} />}
        {query.isPending && <Loading lines={4} />}
        {query.data && !query.data.items.length && <Empty title={t("linkNone")}>{t("linkNoneHint")}</Empty>}
        <ul className="plain-list">
          {query.data?.items.map((c) => (
            <li key={c.id}>
              <div className="grow">
                <strong>{c.name}</strong>
                <div className="small muted cut">{[c.company, c.title, ...c.addresses].filter(Boolean).join(" · ")}</div>
              </div>
              <Button size="small" loading={busy === c.id} onClick={() => void choose(c)}>
                {t("linkThis")}
                <span className="unseen">{t("linkThisOne", { who: c.name })}</span>
              </Button>
            </li>
          ))}
        </ul>
      </div>
    </>
  );
}
