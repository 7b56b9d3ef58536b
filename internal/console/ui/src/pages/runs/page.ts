import { ThunderboltOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "运行记录", en: "Runs" };

export default definePage({
  routes: [
    { path: "/runs", permission: "rules.read", title, load: () => import("./RunsPage") },
    { path: "/runs/:run", permission: "rules.read", title: { zh: "规则的一次运行", en: "A run of a rule" }, load: () => import("./Run") },
  ],
  nav: { to: "/runs", group: "automation", order: 20, icon: ThunderboltOutlined, permission: "rules.read", title },
});
