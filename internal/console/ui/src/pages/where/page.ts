import { CompassOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "我的邮件在哪里", en: "Where is my mail?" };
const load = () => import("./Where");

export default definePage({
  routes: [
    { path: "/where", permission: "ledger.read", title, load },
    { path: "/ledger", permission: "ledger.read", title, load },
  ],
  nav: { to: "/where", group: "mail", order: 30, icon: CompassOutlined, permission: "ledger.read", title },
  search: {
    permission: "ledger.read",
    title,
    to: (q) => `/where?q=${encodeURIComponent(q)}`,
    fits: (q) => (/^<?[^\s@<>]+@[^\s@<>]+>?$/.test(q) ? (q.startsWith("<") ? 3 : 1.5) : 0.5),
  },
});
