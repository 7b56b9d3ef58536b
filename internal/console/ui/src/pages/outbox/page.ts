import { SendOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "发件箱", en: "Outbox" };

export default definePage({
  routes: [
    { path: "/outbox", permission: "outbox.read", title, load: () => import("./Outbox") },
    { path: "/outbox/:entry", permission: "outbox.read", title: { zh: "发出的邮件", en: "Outgoing mail" }, load: () => import("./Message") },
  ],
  nav: { to: "/outbox", group: "automation", order: 40, icon: SendOutlined, permission: "outbox.read", title },
  search: { permission: "outbox.read", title: { zh: "查找自动发出的邮件", en: "Find automated mail to" }, to: (q) => `/outbox?tab=finished&recipient=${encodeURIComponent(q)}`, fits: (q) => (q.includes("@") ? 0.9 : 0) },
});
