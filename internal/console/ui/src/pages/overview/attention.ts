import type { Schemas } from "@/api/client";

type Attention = Schemas["operations"]["Attention"];

const path = encodeURIComponent;

/** Where one does something about what needs a person, and what one must be allowed for it. */
export function leads(a: Attention): { to: string; permission: string } | undefined {
  switch (a.kind) {
    case "dead_letters":
      return { to: "/queue?state=discarded", permission: "queue.read" };
    case "target_paused":
    case "target_trouble":
      return { to: a.name ? `/connections/${path(a.name)}` : "/connections", permission: "targets.read" };
    case "watch_trouble":
      return { to: "/accounts?tab=watched", permission: "accounts.read" };
    case "account_trouble":
      return { to: a.name ? `/accounts/${path(a.name)}` : "/accounts?state=trouble", permission: "accounts.read" };
    case "reviews":
      return { to: "/review", permission: "contacts.read" };
    case "conflicts":
      return { to: "/review?tab=conflicts", permission: "contacts.read" };
    case "duplicates":
      return { to: "/review?tab=duplicates", permission: "contacts.read" };
    case "approvals":
      return { to: "/approvals", permission: "approvals.decide" };
    case "rules_held":
      // Mail that rules send is held in the outbox, a rule by itself.
      if (a.detail?.startsWith("mail of rules is held")) return { to: "/outbox?state=held", permission: "outbox.read" };
      return { to: a.name ? `/rules/${path(a.name)}` : "/rules", permission: "rules.read" };
    default:
      return undefined; // something of the machine itself: the remedy says what
  }
}
