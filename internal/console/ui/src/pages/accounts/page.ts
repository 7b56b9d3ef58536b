import { IdcardOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "账号", en: "Accounts" };

export default definePage({
  routes: [
    { path: "/accounts", permission: "accounts.read", title, load: () => import("./Accounts") },
    { path: "/accounts/:address", permission: "accounts.read", title, load: () => import("./AccountPage") },
    { path: "/enrol/:token", permission: "public", title: { zh: "接入邮箱", en: "Connect your mailbox" }, bare: true, load: () => import("./enrol/Enrol") },
  ],
  nav: { to: "/accounts", group: "operations", order: 30, icon: IdcardOutlined, permission: "accounts.read", title },
  search: {
    permission: "accounts.read",
    title: { zh: "查找账号", en: "Find an account" },
    to: (q) => `/accounts?q=${encodeURIComponent(q)}`,
    fits: (q) => (q.includes("@") ? 1 : 0.4),
  },
});
