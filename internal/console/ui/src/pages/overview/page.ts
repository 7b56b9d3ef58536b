import { DashboardOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "总览", en: "Overview" };

export default definePage({
  routes: [{ path: "/", permission: "overview.read", title, load: () => import("./Overview") }],
  nav: { to: "/", group: "home", order: 0, icon: DashboardOutlined, permission: "overview.read", title },
});
