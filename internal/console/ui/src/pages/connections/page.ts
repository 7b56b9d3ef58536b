import { ApiOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "连接", en: "Connections" };

export default definePage({
  routes: [
    { path: "/connections", permission: "targets.read", title, load: () => import("./Connections") },
    { path: "/connections/:name", permission: "targets.read", title, load: () => import("./TargetPage") },
  ],
  nav: { to: "/connections", group: "operations", order: 20, icon: ApiOutlined, permission: "targets.read", title },
});
