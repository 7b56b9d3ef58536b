// What the API finds for the words in the search box, as the caller may.
import { FileTextOutlined, MailOutlined, UserOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState, type ComponentType } from "react";
import { api, ok } from "@/api/client";
import { useMay } from "./session";

export interface Found {
  key: string;
  kind: "messages" | "customers" | "rules";
  icon: ComponentType<{ "aria-hidden"?: boolean }>;
  label: string;
  hint?: string;
  to: string;
}

const each = 4;
const pause = 220; // ms without a key before the API is asked

/** The text a little after the last key. */
function useSettled(text: string) {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), pause);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

export function useFinds(typed: string): { found: Found[]; looking: boolean } {
  const may = useMay();
  const q = useSettled(typed);
  const on = q.length > 1 || /\p{Script=Han}/u.test(q); // one Chinese character says as much as a word
  const options = { staleTime: 30_000, retry: false } as const;
  const messages = useQuery({
    ...options,
    queryKey: ["messages", "palette", q],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/messages", { params: { query: { q, limit: each } }, signal })),
    enabled: on && may("mail.read"),
  });
  const customers = useQuery({
    ...options,
    queryKey: ["customers", "palette", q],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/customers", { params: { query: { q, limit: each } }, signal })),
    enabled: on && may("contacts.read"),
  });
  const rules = useQuery({
    ...options,
    queryKey: ["rules", "palette", q],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/rules", { params: { query: { search: q, limit: each } }, signal })),
    enabled: on && may("rules.read"),
  });
  if (!on || !typed) return { found: [], looking: false };
  const found: Found[] = [
    ...(customers.data?.items ?? []).map((c) => ({ key: `customer-${c.id}`, kind: "customers" as const, icon: UserOutlined, label: c.name, hint: c.company ?? c.addresses[0], to: `/customers/${encodeURIComponent(c.id)}` })),
    ...(messages.data?.items ?? []).map((m) => ({ key: `message-${m.key}`, kind: "messages" as const, icon: MailOutlined, label: m.subject || m.preview, hint: m.people[0]?.name || m.people[0]?.address, to: `/messages/${encodeURIComponent(m.key)}` })),
    ...(rules.data?.items ?? []).map((r) => ({ key: `rule-${r.id}`, kind: "rules" as const, icon: FileTextOutlined, label: r.name || r.id, hint: r.name ? r.id : undefined, to: `/rules/${encodeURIComponent(r.id)}` })),
  ];
  // While the API is asked, what it found before stays only as far as it fits what is there now: Enter never opens something else.
  const fits = (f: Found) => q === typed || `${f.label} ${f.hint ?? ""}`.toLowerCase().includes(typed.toLowerCase());
  return { looking: q !== typed || messages.isFetching || customers.isFetching || rules.isFetching, found: found.filter(fits) };
}
