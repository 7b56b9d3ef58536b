// What narrows the list: words, and a chip for each filter that is set.
import { CalendarOutlined, CloudUploadOutlined, DownOutlined, FilterOutlined, PaperClipOutlined, SearchOutlined, SwapOutlined } from "@ant-design/icons";
import { Button, Dropdown, Input, Popover, Tag, type InputRef } from "antd";
import { useRef, useState, type ReactNode, type Ref } from "react";
import { useTyped } from "@/kit";
import { noFilters, wordFilters, type Filters as Values } from "./query";
import { useText } from "./texts";

interface Props {
  filters: Values;
  set: (change: Partial<Values>) => void;
  search: Ref<InputRef>;
}

export function Filters({ filters, set, search }: Props) {
  const t = useText();
  const [q, setQ] = useTyped(filters.q, (v) => set({ q: v }));
  const words = wordFilters.filter((k) => filters[k]);
  const some = Object.entries(filters).some(([k, v]) => k !== "q" && v !== "");
  return (
    <div className="mail-filters">
      <Input ref={search} prefix={<SearchOutlined aria-hidden />} value={q} onChange={(e) => setQ(e.target.value)} placeholder={t("search")} aria-label={t("search")} maxLength={500} type="search" />
      <div className="chips" role="group" aria-label={t("filters")}>
        <Choice name={t("direction")} icon={<SwapOutlined aria-hidden />} value={filters.direction} values={["inbound", "outbound", "internal"]} text={(v) => t.any(`direction.${v}`)} pick={(direction) => set({ direction })} />
        <Choice
          name={t("time")}
          icon={<CalendarOutlined aria-hidden />}
          value={filters.range || (filters.since || filters.until ? "own" : "")}
          values={["today", "yesterday", "7d", "30d", "90d"]}
          text={(v) => (v === "own" ? [filters.since, filters.until].join(" – ") : t.any(`range.${v}`))}
          pick={(range) => set({ range, since: "", until: "" })}
        />
        <Choice name={t("state")} icon={<CloudUploadOutlined aria-hidden />} value={filters.state} values={["mirrored", "pending", "failed", "excluded", "withdrawing", "withdrawn"]} text={(v) => t.any(`delivery.${v}`)} pick={(state) => set({ state })} />
        <Button size="small" icon={<PaperClipOutlined aria-hidden />} aria-pressed={filters.has_attachment === "true"} className="chip" onClick={() => set({ has_attachment: filters.has_attachment ? "" : "true" })}>
          {t("hasFile")}
        </Button>
        <More filters={filters} set={set} />
        {words.map((k) => (
          <Tag key={k} closable onClose={(e) => (e.preventDefault(), set({ [k]: "" }))} closeIcon={<span aria-label={t("removeFilter", { name: t(`word.${k}`) })}>×</span>}>
            {t(`word.${k}`)}
            {t("colon")}
            <bdi>{filters[k]}</bdi>
          </Tag>
        ))}
        {filters.customer && (
          <Tag closable onClose={(e) => (e.preventDefault(), set({ customer: "" }))} closeIcon={<span aria-label={t("removeFilter", { name: t("oneCustomer") })}>×</span>}>
            {t("oneCustomer")}
          </Tag>
        )}
        {filters.automated && (
          <Tag closable onClose={(e) => (e.preventDefault(), set({ automated: "" }))} closeIcon={<span aria-label={t("removeFilter", { name: t("noMachines") })}>×</span>}>
            {filters.automated === "true" ? t("onlyMachines") : t("noMachines")}
          </Tag>
        )}
        {some && (
          <Button size="small" type="link" onClick={() => set({ ...noFilters, q: filters.q })}>
            {t("clear")}
          </Button>
        )}
      </div>
    </div>
  );
}

function Choice(p: { name: string; icon: ReactNode; value: string; values: string[]; text: (v: string) => string; pick: (v: string) => void }) {
  const t = useText();
  const items = [{ key: "", label: t("any") }, ...p.values.map((v) => ({ key: v, label: p.text(v) }))];
  return (
    <Dropdown trigger={["click"]} menu={{ items, selectable: true, selectedKeys: [p.value], onClick: ({ key }) => p.pick(key) }}>
      <Button size="small" icon={p.icon} className="chip" aria-pressed={p.value !== ""} aria-haspopup="menu">
        {p.value ? p.text(p.value) : p.name} <DownOutlined style={{ fontSize: 10 }} aria-hidden />
      </Button>
    </Dropdown>
  );
}

const examples: Record<(typeof wordFilters)[number], string> = {
  person: "li@kunde.example",
  from: "li@kunde.example",
  to: "anna@corp.example",
  domain: "kunde.example",
  account: "anna@corp.example",
  tag: "VIP",
  attachment: "合同.pdf",
};

/** Filters that are written: who, whose, days, tags, names of files. */
function More({ filters, set }: Pick<Props, "filters" | "set">) {
  const t = useText();
  const [open, setOpen] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  // Once, and not from under who types already: a ref that focuses would do so again whenever the list changes.
  const begin = (shown: boolean) => {
    if (shown && !form.current?.contains(document.activeElement)) form.current?.querySelector("input")?.focus();
  };
  const submit = (e: React.FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    const form = new FormData(e.currentTarget);
    const change: Partial<Values> = {};
    for (const k of [...wordFilters, "since", "until"] as const) change[k] = String(form.get(k) ?? "").trim();
    if (change.since || change.until) change.range = "";
    if (change.person || change.domain) change.customer = "";
    change.automated = form.get("people") ? "false" : "";
    set(change);
    setOpen(false);
  };
  return (
    <Popover
      open={open}
      onOpenChange={setOpen}
      afterOpenChange={begin}
      trigger="click"
      placement="bottomLeft"
      destroyOnHidden
      content={
        <form ref={form} className="more-filters" onSubmit={submit}>
          {wordFilters.map((k) => (
            <label key={k}>
              <span>{t(`word.${k}`)}</span>
              <Input size="small" name={k} defaultValue={filters[k]} placeholder={examples[k]} maxLength={200} />
            </label>
          ))}
          <label>
            <span>{t("since")}</span>
            <Input size="small" type="date" name="since" defaultValue={filters.since} />
          </label>
          <label>
            <span>{t("until")}</span>
            <Input size="small" type="date" name="until" defaultValue={filters.until} />
          </label>
          <label className="check">
            <input type="checkbox" name="people" defaultChecked={filters.automated === "false"} /> <span>{t("noMachines")}</span>
          </label>
          <Button type="primary" htmlType="submit" size="small">
            {t("apply")}
          </Button>
        </form>
      }
    >
      <Button size="small" className="chip" icon={<FilterOutlined aria-hidden />} aria-expanded={open} aria-haspopup="dialog">
        {t("moreFilters")}
      </Button>
    </Popover>
  );
}
