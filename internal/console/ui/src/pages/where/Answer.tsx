import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { useMay } from "@/app/session";
import { Async, Empty } from "@/kit";
import { Entries, Mails } from "./Found";
import { instant, type Asked } from "./ask";
import { Story } from "./Story";
import { useText } from "./texts";

/** The story of the mail where one is meant, else the mails that may be meant. */
export function Answer({ what, at }: { what: Asked; at: string }) {
  const t = useText();
  const may = useMay();
  const when = instant(at) ?? what.date;
  switch (what.kind) {
    case "id":
      return <Told asks={{ message_id: what.text, account: what.from ?? what.to, sent_at: when }} />;
    case "entry":
      return <Told asks={{ entry: what.text }} />;
    case "either":
      return <Told asks={{ message_id: what.text, account: what.text, sent_at: when }} address={what.text} />;
    case "address":
      return <Entries address={what.text} at={when} />;
    case "words":
      return may("mail.read") ? <Mails words={what.text} at={when} /> : <Empty title={t("noWords")}>{t("noWordsHint")}</Empty>;
    case "nothing":
      return null;
  }
}

interface Asks {
  message_id?: string;
  entry?: string;
  account?: string;
  sent_at?: string;
}

/** address: what was asked for may be an address as well; then its mails are shown where no mail has it as its Message-ID. */
function Told({ asks, address }: { asks: Asks; address?: string }) {
  useLiveQueries(["message", "run", "outbox", "queue"], ["ledger", "story"]);
  const query = useQuery({
    queryKey: ["ledger", "story", asks],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/ledger/story", { params: { query: asks }, signal })),
  });
  return (
    <Async query={query} lines={8}>
      {(s) => (address && !s.found ? <Entries address={address} at={asks.sent_at} /> : <Story story={s} asks={asks} />)}
    </Async>
  );
}
