import { AuditOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "审计", en: "Audit" };

export default definePage({
  routes: [{ path: "/audit", permission: "audit.read", title, load: () => import("./Audit") }],
  nav: { to: "/audit", group: "administration", order: 20, icon: AuditOutlined, permission: "audit.read", title },
  search: {
    permission: "audit.read",
    title: { zh: "谁做过什么（按人查）", en: "What did this person do?" },
    to: (q) => `/audit?person=${encodeURIComponent(q)}`,
    fits: (q) => (/^\S+@\S+\.\S+$/.test(q) ? 0.7 : 0),
  },
});
