import { MailOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "邮件", en: "Messages" };

export default definePage({
  routes: [
    { path: "/messages/:key?", permission: "mail.read", title, load: () => import("./Messages") },
    { path: "/threads/:id", permission: "mail.read", title: { zh: "往来邮件", en: "Conversation" }, load: () => import("./ThreadPage") },
    { path: "/link", permission: "public", bare: true, title: { zh: "打开链接", en: "Open a link" }, load: () => import("./LinkPage") },
  ],
  nav: { to: "/messages", group: "mail", order: 20, icon: MailOutlined, permission: "mail.read", title },
  search: {
    permission: "mail.read",
    title: { zh: "搜索邮件", en: "Search mail" },
    to: (q) => `/messages?q=${encodeURIComponent(q)}`,
    fits: (q) => (/^<.*>$/.test(q) ? 0 : 1.2),
  },
});
