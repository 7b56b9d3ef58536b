// A mail of the past, found by words.
import { Select } from "antd";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { relative, useTyped } from "@/kit";
import { useText } from "../texts";

type Message = Schemas["mail"]["MessageSummary"];

export function MessagePicker({ value, onChange, label, none }: { value: string; onChange: (key: string, m?: Message) => void; label: string; none?: string }) {
  const t = useText();
  const may = useMay();
  const [q, setQ] = useState("");
  const [typed, type] = useTyped(q, setQ);
  const query = useQuery({
    queryKey: ["messages", "pick", q],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/messages", { params: { query: { ...(q && { q }), limit: 20 } }, signal })),
    enabled: may("mail.read"),
    placeholderData: keepPreviousData,
  });
  const items = query.data?.items ?? [];
  const options = items.map((m) => ({ value: m.key, label: m.subject || t("noSubject"), from: m.people[0]?.name || m.people[0]?.address || "", at: m.sent_at }));
  return (
    <Select
      aria-label={label}
      showSearch
      filterOption={false}
      searchValue={typed}
      onSearch={type}
      loading={query.isFetching}
      value={value || (none ? "" : undefined)}
      placeholder={t("findMail")}
      options={[...(none && !typed ? [{ value: "", label: none, from: "", at: "" }] : []), ...options]}
      onChange={(v: string) => {
        type("");
        onChange(v, items.find((m) => m.key === v));
      }}
      optionRender={(o) => (
        <div className="rd-mailopt">
          <span className="cut">{o.data.label}</span>
          {o.data.at && <small className="muted cut">{`${o.data.from} · ${relative(o.data.at, t.lang)}`}</small>}
        </div>
      )}
      notFoundContent={query.isFetching ? t("looking") : t("noMail")}
      style={{ width: "100%" }}
    />
  );
}
