import { PlusOutlined } from "@ant-design/icons";
import { App, Button, Input, Tag, type InputRef } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { api, ok } from "@/api/client";
import { asProblem, words } from "@/api/problem";
import type { Message } from "./query";
import { useText } from "./texts";

export function Tags({ m }: { m: Message }) {
  const t = useText();
  const client = useQueryClient();
  const { message } = App.useApp();
  const [adding, setAdding] = useState(false);
  const input = useRef<InputRef>(null);
  useEffect(() => {
    if (adding) input.current?.focus();
  }, [adding]);
  const change = async (body: { add?: string[]; remove?: string[] }) => {
    try {
      const { tags } = await ok(api.POST("/api/v1/messages/{key}/tags", { params: { path: { key: m.key } }, body }));
      client.setQueryData<Message>(["messages", "one", m.key], (was) => was && { ...was, tags });
      void client.invalidateQueries({ queryKey: ["messages", "list"] });
    } catch (e) {
      void message.error(words(asProblem(e), t.lang).detail);
    }
  };
  const add = (text: string) => {
    setAdding(false);
    const tag = text.trim();
    if (tag && !m.tags.includes(tag)) void change({ add: [tag] });
  };
  return (
    <div className="tags">
      {m.tags.map((tag) => (
        <Tag key={tag} closable onClose={(e) => (e.preventDefault(), void change({ remove: [tag] }))} closeIcon={<span aria-label={t("removeTag", { tag })}>×</span>}>
          <Link to={`/messages?tag=${encodeURIComponent(tag)}`}>
            <bdi>{tag}</bdi>
          </Link>
        </Tag>
      ))}
      {adding ? (
        <Input
          size="small"
          ref={input}
          aria-label={t("newTag")}
          placeholder={t("newTag")}
          maxLength={60}
          style={{ width: 140 }}
          onPressEnter={(e) => add(e.currentTarget.value)}
          onBlur={(e) => add(e.currentTarget.value)}
          onKeyDown={(e) => {
            e.stopPropagation();
            if (e.key === "Escape") setAdding(false);
          }}
        />
      ) : (
        <Button size="small" type="dashed" icon={<PlusOutlined aria-hidden />} onClick={() => setAdding(true)}>
          {t("addTag")}
        </Button>
      )}
    </div>
  );
}
