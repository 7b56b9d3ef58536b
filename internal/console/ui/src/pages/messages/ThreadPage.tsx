import { useParams } from "react-router";
import { Head, Problem } from "@/kit";
import { Conversation, useThread } from "./Conversation";
import { useText } from "./texts";
import "./mail.css";

/** A conversation by itself, as other pages link to it. */
export default function ThreadPage() {
  const t = useText();
  const { id = "" } = useParams();
  const query = useThread(id);
  const first = query.data?.pages[0]?.items[0];
  return (
    <>
      <Head title={<bdi>{first ? first.subject || t("noSubject") : t("conversation")}</bdi>} back={{ to: "/messages", title: t("title") }} />
      {query.error && !query.data ? <Problem error={query.error} again={() => void query.refetch()} /> : <div className="reading panel"><Conversation thread={id} /></div>}
    </>
  );
}
