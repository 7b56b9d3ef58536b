import { BranchesOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "规则", en: "Rules" };

export default definePage({
  routes: [
    { path: "/rules", permission: "rules.read", title, load: () => import("./List") },
    { path: "/rules/new", permission: "rules.write", title: { zh: "新建规则", en: "New rule" }, load: () => import("./New") },
    { path: "/rules/:id", permission: "rules.read", title, load: () => import("./Rule") },
  ],
  nav: { to: "/rules", group: "automation", order: 10, icon: BranchesOutlined, permission: "rules.read", title },
  search: { permission: "rules.read", title: { zh: "在规则中查找", en: "Find in rules" }, to: (q) => `/rules?q=${encodeURIComponent(q)}`, fits: () => 0.4 },
});
